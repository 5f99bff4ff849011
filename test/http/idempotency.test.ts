import { randomUUID } from 'node:crypto'
import type postgres from 'postgres'
import t from 'tap'
import { askWith, createApp, problem, setUp, signUp, type TestUser } from '../support/app.ts'
import { until } from '../support/until.ts'

// draft-ietf-httpapi-idempotency-key-header

const { app, database } = await setUp(t)
const key = (value: string = randomUUID()) => ({ 'idempotency-key': value })
/** Until somebody waits for a lock. */
const isWaiting = async () => {
  const waiting = () =>
    database.admin`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
  await until('a statement waits for a lock', async () => (await waiting()).length > 0)
}
const titles = async (user: TestUser) =>
  (await user.ask('GET', '/todos?limit=100')).json().data.map(({ title }: { title: string }) => title)

t.test('returns the first response to a retry', async (t) => {
  const user = await signUp(app)
  const headers = key()
  const first = await user.ask('POST', '/todos', { title: 'once' }, headers)
  const retry = await user.ask('POST', '/todos', { title: 'once' }, headers)
  t.equal(first.statusCode, 201)
  t.equal(first.headers['idempotent-replayed'], undefined)
  t.equal(retry.statusCode, 201)
  t.equal(retry.headers['idempotent-replayed'], 'true')
  t.equal(retry.body, first.body, 'byte for byte')
  for (const name of ['location', 'etag']) t.equal(retry.headers[name], first.headers[name])
  t.same(await titles(user), ['once'])
})

t.test('makes one todo of 50 identical requests at the same moment', async (t) => {
  const user = await signUp(app)
  const headers = key()
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => user.ask('POST', '/todos', { title: 'once' }, headers)),
  )
  const made = answers.filter(
    ({ statusCode, headers }) => statusCode === 201 && !headers['idempotent-replayed'],
  )
  const replayed = answers.filter((answer) => answer.headers['idempotent-replayed'])
  const running = answers.filter(({ statusCode }) => statusCode === 409)
  t.equal(made.length, 1)
  t.equal(replayed.length + running.length, 49)
  for (const answer of running.slice(0, 2)) problem(t, answer, 409, 'request_in_progress')
  for (const answer of replayed) t.equal(answer.body, made[0]?.body)
  t.same(await titles(user), ['once'])
})

t.test('waits for a first request that is still running, and returns its response', async (t) => {
  const user = await signUp(app)
  const headers = key()
  const first = await user.ask('POST', '/todos', { title: 'a' }, headers)
  const [kept] = await database.admin`
    delete from idempotency_keys where user_id = ${user.id} returning user_id, key, fingerprint, result`
  const other = await database.admin.reserve()
  for (const end of ['commit', 'rollback']) {
    await other`begin`
    await other`insert into idempotency_keys ${other(kept as postgres.Row)}`
    const answered = user.ask('POST', '/todos', { title: 'a' }, headers)
    await isWaiting()
    await other.unsafe(end)
    const answer = await answered
    t.equal(answer.statusCode, 201)
    t.equal(answer.headers['idempotent-replayed'], end === 'commit' ? 'true' : undefined)
    t.equal(answer.body === first.body, end === 'commit')
    await database.admin`delete from idempotency_keys where user_id = ${user.id}`
  }
  other.release()
  t.same(await titles(user), ['a', 'a'], 'what was answered from the other is undone')
})

t.test('returns 409 when the first request takes too long', async (t) => {
  const hasty = await createApp(t, database, { LOCK_TIMEOUT_MS: '50' })
  const user = await signUp(hasty)
  const value = randomUUID()
  const other = await database.admin.reserve()
  await other`begin`
  await other`
    insert into idempotency_keys (user_id, key, fingerprint, result) values (${user.id}, ${value}, sha256(''), '[]')`
  const answer = await user.ask('POST', '/todos', { title: 'a' }, key(value))
  problem(t, answer, 409, 'request_in_progress')
  t.equal(answer.headers['retry-after'], '1')
  await other`rollback`
  other.release()
  t.same(await titles(user), [], 'and what it sent along is undone')
  t.equal((await user.ask('POST', '/todos', { title: 'a' }, key(value))).statusCode, 201)
})

t.test('does not take another lock for another request', async (t) => {
  const hasty = await createApp(t, database, { LOCK_TIMEOUT_MS: '50' })
  const user = await signUp(hasty)
  const { id } = (await user.ask('POST', '/todos', { title: 'a' })).json()
  const other = await database.admin.reserve()
  await other`begin`
  await other`select from todos where id = ${id} for update`
  problem(t, await user.ask('PATCH', `/todos/${id}`, { title: 'b' }, key()), 503, 'unavailable')
  await other`rollback`
  other.release()
})

t.test('looks for what was done before where there is nothing to do now', async (t) => {
  const user = await signUp(app)
  const { id } = (await user.ask('POST', '/todos', { title: 'a' })).json()
  const headers = key()
  const body = { operations: [{ op: 'delete', id }] }
  const first = await user.ask('POST', '/todos/batch', body, headers)
  const retry = await user.ask('POST', '/todos/batch', body, headers)
  t.equal(first.statusCode, 200)
  t.same([retry.statusCode, retry.body], [200, first.body])
  t.equal(retry.headers['idempotent-replayed'], 'true')
  problem(t, await user.ask('POST', '/todos/batch', body, key()), 404, 'not_found')
})

t.test('refuses another request under the same key', async (t) => {
  const user = await signUp(app)
  const headers = key()
  const { id } = (await user.ask('POST', '/todos', { title: 'once' }, headers)).json()
  problem(t, await user.ask('POST', '/todos', { title: 'twice' }, headers), 422, 'idempotency_key_reused')
  problem(
    t,
    await user.ask('PATCH', `/todos/${id}`, { title: 'once' }, headers),
    422,
    'idempotency_key_reused',
  )
  t.same(await titles(user), ['once'])
})

for (const DATABASE_SHARDED of ['false', 'true'])
  t.test(`keeps successes only, with DATABASE_SHARDED=${DATABASE_SHARDED}`, async (t) => {
    const user = await signUp(await createApp(t, database, { DATABASE_SHARDED }))
    const headers = key()
    problem(t, await user.ask('POST', '/todos', { title: '' }, headers), 400, 'invalid_request')
    const nowhere = `/todos/${randomUUID()}`
    problem(t, await user.ask('PATCH', nowhere, { title: 'a' }, headers), 404, 'not_found')
    const { id } = (await user.ask('POST', '/todos', { title: 'a' })).json()
    for (const _ of ['first', 'retry']) {
      const unmet = { ...headers, 'if-match': '"7"' }
      const answer = await user.ask('PATCH', `/todos/${id}`, { title: 'b' }, unmet)
      problem(t, answer, 412, 'precondition_failed')
      t.equal(answer.headers['idempotent-replayed'], undefined)
    }
    const operations = [{ op: 'delete', id: randomUUID() }]
    problem(t, await user.ask('POST', '/todos/batch', { operations }, headers), 404, 'not_found')
    const { token } = (await user.ask('POST', '/tokens', { name: 'a', scopes: ['todos:read'] })).json()
    const refused = await askWith(app, token)('POST', '/todos', { title: 'a' }, headers)
    problem(t, refused, 403, 'insufficient_scope')
    const done = await user.ask('POST', '/todos', { title: 'a' }, headers)
    t.equal(done.statusCode, 201, 'the key is still free')
    const retry = await user.ask('POST', '/todos', { title: 'a' }, headers)
    t.same([retry.statusCode, retry.body], [201, done.body])
  })

t.test('changes once, though the version grows with each change', async (t) => {
  const user = await signUp(app)
  const { id } = (await user.ask('POST', '/todos', { title: 'a' })).json()
  const headers = key()
  const first = await user.ask('PATCH', `/todos/${id}`, { title: 'b' }, { ...headers, 'if-match': '"1"' })
  const retry = await user.ask('PATCH', `/todos/${id}`, { title: 'b' }, { ...headers, 'if-match': '"1"' })
  t.equal(first.json().version, 2)
  t.same([retry.statusCode, retry.body, retry.headers.etag], [200, first.body, '"2"'])
  const without = await user.ask('PATCH', `/todos/${id}`, { title: 'b' }, headers)
  problem(t, without, 422, 'idempotency_key_reused')
})

t.test('forgets a key after 24 hours', async (t) => {
  const user = await signUp(app)
  const headers = key()
  await user.ask('POST', '/todos', { title: 'a' }, headers)
  const [kept] = await database.admin`
    select expires_at between now() + interval '23 hours 59 minutes' and now() + interval '24 hours' as a_day
    from idempotency_keys where user_id = ${user.id}`
  t.equal(kept?.a_day, true)
  await database.admin`update idempotency_keys set expires_at = now() - interval '1 second' where user_id = ${user.id}`
  const again = await user.ask('POST', '/todos', { title: 'b' }, headers)
  t.equal(again.statusCode, 201)
  t.equal(again.headers['idempotent-replayed'], undefined)
  await database.admin`update idempotency_keys set expires_at = now() - interval '1 second' where user_id = ${user.id}`
  t.ok((await app.removeExpired()) > 0)
  const left = await database.admin`select from idempotency_keys where user_id = ${user.id}`
  t.equal(left.length, 0)
})

t.test('keeps the keys of different users apart', async (t) => {
  const [ada, bob] = [await signUp(app), await signUp(app)]
  const headers = key()
  await ada.ask('POST', '/todos', { title: "ada's" }, headers)
  const his = await bob.ask('POST', '/todos', { title: "bob's" }, headers)
  t.equal(his.statusCode, 201)
  t.same([await titles(ada), await titles(bob)], [["ada's"], ["bob's"]])
})

t.test('refuses a key that is no printable text of 1 to 255 characters', async (t) => {
  const user = await signUp(app)
  for (const value of ['', 'x'.repeat(256), 'é', 'a\tb']) {
    const answer = await user.ask('POST', '/todos', { title: 'a' }, key(value))
    problem(t, answer, 400, 'invalid_request')
    t.match(answer.json().errors, [{ parameter: 'idempotency-key' }])
  }
  t.equal((await user.ask('POST', '/todos', { title: 'a' }, key('x y '.repeat(63)))).statusCode, 201)
})

t.test('does not report success when the database did not commit', async (t) => {
  const small = await createApp(t, database)
  const user = await signUp(small)
  await database.admin`alter table idempotency_keys add constraint broken check (result is null) not valid`
  problem(t, await user.ask('POST', '/todos', { title: 'lost' }, key()), 400, 'invalid_request')
  await database.admin`alter table idempotency_keys drop constraint broken`
  t.same(await titles(user), [])
})
