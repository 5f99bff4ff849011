import fc from 'fast-check'
import t from 'tap'
import { v7 as uuidv7 } from 'uuid'
import { ANY_VERSION } from '../../src/http/conditional.ts'
import { createTodo, deleteTodo, updateTodo } from '../../src/todos/sql.ts'
import { setUp, signUp, type TestUser } from '../support/app.ts'
import { credentialOf } from '../support/credential-of.ts'
import { clientSteps, Replica, type WriterStep, write, writerSteps } from '../support/sync-world.ts'

// SYNC_RUNS says how often, SYNC_SEED which.
const numRuns = Number(process.env.SYNC_RUNS ?? 3)
const seed = Number(process.env.SYNC_SEED ?? Date.now() % 2 ** 31)

t.test(`every client ends equal to the server: ${numRuns} times, seed ${seed}`, async (t) => {
  const { app } = await setUp(t, { DATABASE_POOL_SIZE: '24' })
  const send =
    ({ ask }: TestUser): ConstructorParameters<typeof Replica>[0] =>
    async (...request) => {
      const answer = await ask(...request)
      return { status: answer.statusCode, json: () => answer.json() }
    }

  /** Writers and clients of one user, all at once. */
  async function live(
    user: TestUser,
    scripts: WriterStep[][],
    clients: { lose: boolean; back: number; limit: number }[][],
  ) {
    const open = new Set<Promise<unknown>>()
    let waiting: { turns: number; end: () => void }[] = []
    /** Transactions end some turns later. */
    const turn = (all = false) => {
      for (const { end } of waiting.filter((gate) => all || gate.turns-- <= 0)) end()
      waiting = waiting.filter(({ turns }) => !all && turns >= 0)
    }
    const slow = (n: number, commits: boolean, id: string | undefined) => {
      if (open.size >= 2) return
      const done = app.database
        .withUser(credentialOf(user.token), 'read write', async (tx) => {
          await createTodo(tx, uuidv7(), { title: `slow ${n}` })
          await new Promise<void>((end) => waiting.push({ turns: n % 7, end }))
          if (id && n % 2) await updateTodo(tx, id, { title: `slow ${n}` }, ANY_VERSION)
          else if (id) await deleteTodo(tx, id, ANY_VERSION, 1)
          if (!commits) throw new Error('rolled back')
        })
        .catch(() => {})
        .finally(() => open.delete(done))
      open.add(done)
    }
    let writing = true
    const replicas = await Promise.all(
      clients
        .map(async (steps) => {
          const replica = new Replica(send(user))
          for (let n = 0; writing || n < steps.length; n++) {
            await replica.sync(steps[n % steps.length])
            turn()
          }
          return replica
        })
        .concat(
          Promise.all(scripts.map((steps) => write(send(user), steps, slow))).then(() => {
            writing = false
            return undefined as never
          }),
        ),
    )
    while (open.size > 0) {
      turn(true)
      await Promise.race([...open, new Promise(setImmediate)])
    }
    return replicas.filter(Boolean)
  }

  const script = fc.tuple(
    fc.array(writerSteps(10), { minLength: 2, maxLength: 3 }),
    fc.array(clientSteps(8), { minLength: 2, maxLength: 3 }),
  )
  const property = fc.asyncProperty(script, script, async (hers, his) => {
    const [ada, bob] = [await signUp(app), await signUp(app)]
    const replicas = await Promise.all([live(ada, ...hers), live(bob, ...his)])
    for (const replica of replicas.flat()) await replica.settle()
    const [own, other] = replicas.map(([replica]) => [...(replica?.store.keys() ?? [])])
    if (own?.some((id) => other?.includes(id))) throw new Error("another user's todo")
  })
  await fc.assert(property, { numRuns, seed, endOnFailure: true })
  t.pass('no client differs')
})
