import fc from 'fast-check'
import t from 'tap'
import { createApp, password, setUp } from '../support/app.ts'
import { Person } from './person.ts'
import { addSteps } from './resources.ts'
import { steps as knownSteps, STRANGER } from './steps.ts'

// Two users at once, on two connections, each sending what comes into its head: with ids, cursors and keys of the
// other's. RANDOM_RUNS says how many pairs of them, RANDOM_SEED which.
const steps = addSteps(knownSteps)
const numRuns = Number(process.env.RANDOM_RUNS ?? 40)
const seed = Number(process.env.RANDOM_SEED ?? Date.now() % 2 ** 31)

const draw = fc.record({
  whose: fc.constantFrom('own', 'own', 'other', 'none'),
  n: fc.nat(7),
  // Shared, so that the two users' words, keys and tags are the same.
  title: fc.constantFrom('milk', 'bread', 'jam'),
  completed: fc.boolean(),
  priority: fc.nat(1),
  key: fc.option(fc.constantFrom('first', 'second'), { nil: undefined }),
} as const)
/** Often something is written, so that there is something to find. */
const name = fc.oneof(
  { arbitrary: fc.constantFrom(...Object.keys(steps)), weight: 2 },
  { arbitrary: fc.constant('POST /todos'), weight: 1 },
)
const script = fc.array(fc.tuple(name, draw), { minLength: 4, maxLength: 16 })

t.test('has a step for every operation of the document', async (t) => {
  const { app } = await setUp(t)
  for (const [path, operations] of Object.entries(app.swagger().paths ?? {}))
    for (const method of Object.keys(operations as object))
      t.ok(steps[`${method.toUpperCase()} ${path}`], `${method} ${path}`)
})

t.test(`answers two users at once as if each were alone: ${numRuns} times, seed ${seed}`, async (t) => {
  const { app, database } = await setUp(t, { DATABASE_POOL_SIZE: '2' })
  const sharded = await createApp(t, database, { DATABASE_POOL_SIZE: '2', DATABASE_SHARDED: 'true' })
  await app.inject({ method: 'POST', url: '/register', payload: { email: STRANGER, password } })
  const follow = async (me: Person, lines: [string, object][]) => {
    for (const [name, draw] of lines) await steps[name]?.(me, draw as never)
  }
  // One of them with the routing that Citus needs.
  const property = fc.asyncProperty(script, script, async (hers, his) => {
    const [ada, bob] = await Promise.all([new Person(app).settle(), new Person(sharded, true).settle()])
    Object.assign(ada, { other: bob })
    Object.assign(bob, { other: ada })
    await Promise.all([follow(ada, hers), follow(bob, his)])
  })
  await fc.assert(property, { numRuns, seed, endOnFailure: true })
  t.pass('no answer differs')
})
