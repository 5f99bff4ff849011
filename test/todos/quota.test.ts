import { randomUUID } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import type { Tx } from '../../src/database/transaction.ts'
import { problem, setUp, signUp, type TestUser } from '../support/app.ts'

const clock = { now: Date.now() }
const { app, database } = await setUp(t, { MAX_TODOS: '30' }, { now: () => clock.now })
const create = (user: TestUser, key?: string) =>
  user.ask('POST', '/todos', { title: 'x' }, key ? { 'idempotency-key': key } : {})
const batch = (user: TestUser, todos: number) =>
  user.ask('POST', '/todos/batch', {
    operations: Array.from({ length: todos }, () => ({ op: 'create', todo: { title: 'x' } })),
  })
const count = async (user: TestUser) => (await user.ask('GET', '/todos?count=exact')).json().total

t.test('lets a user have so many todos, and says what to do about more', async (t) => {
  const [user, other] = [await signUp(app), await signUp(app)]
  const key = randomUUID()
  t.equal((await create(user, key)).statusCode, 201)
  for (let n = 1; n < 30; n++) t.equal((await create(user)).statusCode, 201)
  const refused = await create(user)
  problem(t, refused, 409, 'quota_exceeded')
  t.match(refused.json().detail, /at most 30 todos/)
  problem(t, await create(user, randomUUID()), 409, 'quota_exceeded')
  t.equal((await create(user, key)).headers['idempotent-replayed'], 'true', 'a retry is still answered')
  t.equal((await create(other)).statusCode, 201, "another user's todos do not count")

  const { data } = (await user.ask('GET', '/todos?limit=1')).json()
  await user.ask('DELETE', `/todos/${data[0].id}`)
  t.equal((await create(user)).statusCode, 201, 'there is room again at once')
  t.equal(await count(user), 30)
})

t.test('counts what a batch creates, and does all of it or nothing', async (t) => {
  const user = await signUp(app)
  t.equal((await batch(user, 29)).statusCode, 200)
  problem(t, await batch(user, 2), 409, 'quota_exceeded')
  t.equal(await count(user), 29)
  t.equal((await batch(user, 1)).statusCode, 200)
  const { data } = (await user.ask('GET', '/todos?limit=1')).json()
  const operations = [{ op: 'update', id: data[0].id, todo: { title: 'y' } }]
  t.equal((await user.ask('POST', '/todos/batch', { operations })).statusCode, 200, 'a change needs no room')
})

t.test('restores no todo beyond the limit', async (t) => {
  const user = await signUp(app)
  const { id } = (await create(user)).json()
  await user.ask('DELETE', `/todos/${id}`)
  t.equal((await batch(user, 30)).statusCode, 200)
  const restore = (key = randomUUID()) =>
    user.ask('POST', `/trash/${id}/restore`, undefined, { 'idempotency-key': key })
  const key = randomUUID()
  problem(t, await user.ask('POST', `/trash/${id}/restore`), 409, 'quota_exceeded')
  problem(t, await restore(key), 409, 'quota_exceeded')
  t.equal((await user.ask('GET', '/trash')).json().data[0].id, id, 'it stays in the trash')
  const { data } = (await user.ask('GET', '/todos?limit=1')).json()
  await user.ask('DELETE', `/todos/${data[0].id}`)
  t.equal((await restore(key)).statusCode, 200)
  t.equal((await restore(key)).headers['idempotent-replayed'], 'true')
  t.equal(await count(user), 30)
})

t.test('counts again when a tenth of what was left is created, or after ten minutes', async (t) => {
  const user = await signUp(app)
  const fill = () => database.admin`
    insert into todos (user_id, id, title) select ${user.id}, gen_random_uuid(), 'x' from generate_series(1, 30)`
  // Left are 29 after the first: it may create two more without counting.
  t.equal((await create(user)).statusCode, 201)
  await fill()
  t.equal((await create(user)).statusCode, 201)
  t.equal((await create(user)).statusCode, 201)
  problem(t, await create(user), 409, 'quota_exceeded')

  const later = await signUp(app)
  t.equal((await create(later)).statusCode, 201)
  await database.admin`
    insert into todos (user_id, id, title) select ${later.id}, gen_random_uuid(), 'x' from generate_series(1, 30)`
  clock.now += 10 * 60_000
  problem(t, await create(later), 409, 'quota_exceeded')
})

t.test('lets a user have 50 personal access tokens', async (t) => {
  const user = await signUp(app)
  await database.admin`
    insert into identity.access_tokens (user_id, id, name, hash, scopes)
    select ${user.id}, gen_random_uuid(), 'x', sha256(convert_to(n::text, 'UTF8')), '{account}' from generate_series(1, 49) n`
  const make = () => user.ask('POST', '/tokens', { name: 'x', scopes: ['account'] })
  const made = await make()
  t.equal(made.statusCode, 201)
  const refused = await make()
  problem(t, refused, 409, 'quota_exceeded')
  t.match(refused.json().detail, /at most 50 personal access tokens/)
  await user.ask('DELETE', `/tokens/${made.json().id}`)
  t.equal((await make()).statusCode, 201)
})

t.test('remembers 20,000 users, and forgets the one who was counted longest ago', async (t) => {
  let counts = 0
  const tx = (async () => {
    counts++
    return [{ remaining: '1000' }]
  }) as unknown as Tx
  const check = (user: number) => app.checkTodoQuota(tx, String(user), 1)
  for (let user = 0; user <= 20_000; user++) check(user)
  await setImmediate()
  t.equal(counts, 20_001)
  check(20_000)
  check(1)
  t.equal(counts, 20_001, 'nobody is counted again')
  check(0)
  t.equal(counts, 20_002)
})
