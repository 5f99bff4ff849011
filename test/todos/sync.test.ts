import t from 'tap'
import type { Tx } from '../../src/database/transaction.ts'
import { ANY_VERSION } from '../../src/http/conditional.ts'
import { createTodo, updateTodo } from '../../src/todos/sql.ts'
import { createApp, problem, setUp, signUp, type TestUser } from '../support/app.ts'
import { credentialOf } from '../support/credential-of.ts'
import { followChanges } from '../support/follow-changes.ts'

const { app, database } = await setUp(t)
const follow = (user: TestUser, limit?: number) => followChanges(t, database.admin, user, limit)
const create = async ({ ask }: TestUser, title: string): Promise<string> =>
  (await ask('POST', '/todos', { title })).json().id
/** Opens a transaction that has written and not committed. */
function begin(user: TestUser, run: (tx: Tx) => Promise<unknown>) {
  type Last = (tx: Tx) => Promise<unknown>
  let end: (last: Last) => void = () => {}
  let hasWritten = () => {}
  const gate = new Promise<Last>((resolve) => {
    end = resolve
  })
  const written = new Promise<void>((resolve) => {
    hasWritten = resolve
  })
  const done = app.database.withUser(credentialOf(user.token), 'read write', async (tx) => {
    await run(tx)
    hasWritten()
    await (await gate)(tx)
  })
  return { written, done, end }
}

t.test('sends all todos in pages, and then what changed meanwhile and since', async (t) => {
  const [user, bob] = [await signUp(app), await signUp(app)]
  await create(bob, 'his')
  const next = follow(user, 2)
  t.same(await next(), [], 'nothing yet')
  const ids = []
  for (const title of ['a', 'b', 'c', 'd', 'e']) ids.push(await create(user, title))
  const late = follow(user, 2)
  t.same(await late(), ['a 1', 'b 1', 'c 1', 'd 1', 'e 1'])
  t.same((await next()).sort(), ['a 1', 'b 1', 'c 1', 'd 1', 'e 1'])
  await user.ask('PATCH', `/todos/${ids[1]}`, { title: 'b2' })
  await user.ask('PATCH', `/todos/${ids[1]}`, { title: 'b3' })
  await user.ask('DELETE', `/todos/${ids[2]}`)
  for (const client of [next, late]) {
    t.same(await client(), ['b3 3', `delete ${ids[2]}`], 'each once, in its last state')
    t.same(await client(), [])
  }
  await user.ask('POST', `/trash/${ids[2]}/restore`)
  t.same(await next(), ['c 2'])
  await user.ask('DELETE', '/todos?all=true')
  await user.ask('DELETE', '/trash?all=true')
  t.same((await next()).sort(), ids.map((id) => `delete ${id}`).sort())
  t.same((await late()).sort(), ids.map((id) => `delete ${id}`).sort())
  t.same(await follow(user)(), [])
})

t.test('sends nothing of what did not happen, or happened before', async (t) => {
  const user = await signUp(app)
  const id = await create(user, 'a')
  const next = follow(user)
  t.same(await next(), ['a 1'])
  await user.ask('PATCH', `/todos/${id}`, {})
  await user.ask('PATCH', `/todos/${id}`, { title: 'b' }, { 'if-match': '"9"' })
  const failing = [
    { op: 'update', id, todo: { title: 'b' } },
    { op: 'delete', id: user.id },
  ]
  t.equal((await user.ask('POST', '/todos/batch', { operations: failing })).statusCode, 404)
  t.same(await next(), [])
  const key = { 'idempotency-key': 'key' }
  await user.ask('PATCH', `/todos/${id}`, { title: 'once' }, key)
  t.same(await next(), ['once 2'])
  await user.ask('PATCH', `/todos/${id}`, { title: 'once' }, key)
  t.same(await next(), [])
  const twice = { op: 'update', id, todo: { title: 'twice' } }
  await user.ask('POST', '/todos/batch', { operations: [twice, twice] })
  t.same(await next(), ['twice 4'], 'twice in one transaction')
})

t.test('misses no transaction that commits in another order than it began', async (t) => {
  const user = await signUp(app)
  const id = await create(user, 'a')
  const next = follow(user)
  t.same(await next(), ['a 1'])
  const slow = begin(user, (tx) => createTodo(tx, user.id, { title: 'slow' }))
  await slow.written
  const rolledBack = begin(user, (tx) => updateTodo(tx, id, { title: 'never' }, ANY_VERSION))
  await rolledBack.written
  rolledBack.end(() => Promise.reject(new Error('changed my mind')))
  await t.rejects(rolledBack.done, { message: 'changed my mind' })
  await user.ask('PATCH', `/todos/${id}`, { title: 'b' })
  t.same(await next(async () => {}), [], 'what follows an open transaction has to wait')
  slow.end((tx) => updateTodo(tx, id, { title: 'c' }, ANY_VERSION))
  await slow.done
  t.same((await next()).sort(), ['c 3', 'slow 1'], 'the last version is in the transaction that began first')
  t.same(await next(), [])
})

t.test('does not exist on a sharded database', async (t) => {
  const sharded = await createApp(t, database, { DATABASE_SHARDED: 'true' })
  problem(t, await (await signUp(sharded)).ask('GET', '/todos/changes'), 501, 'not_implemented')
})
