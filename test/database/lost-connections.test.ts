import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { toApiError } from '../../src/http/problems.ts'
import { findRoleFaults } from '../../src/service/sql.ts'
import { createApp, problem } from '../support/app.ts'
import { startProxy } from '../support/tcp-proxy.ts'
import { until } from '../support/until.ts'
import { setScene } from './scene.ts'

const { credential, database, hold, leavesNothing, list, login, open, terminate, untilServed, user } =
  await setScene(t)

t.test('returns 503 when its backend is terminated, and works afterwards', async (t) => {
  const opened = open()
  await list(opened)
  const asleep = opened.withUser(credential, 'read only', async (tx) => {
    const first = tx`select pg_sleep(600)`
    await setImmediate()
    return Promise.all([first, tx`select 'queued behind it'`])
  })
  asleep.catch(() => {})
  await terminate(`state = 'active'`)
  await t.rejects(asleep, { code: 'unavailable' })
  await leavesNothing(t, opened)

  const { result, finish } = await hold(opened)
  await terminate(`state = 'idle in transaction'`)
  await t.rejects(result, { code: 'unavailable' })
  finish()
  await leavesNothing(t, opened)
})

t.test('works after an idle connection was lost', async (t) => {
  const proxy = await startProxy(t, database.url)
  const opened = open({ DATABASE_URL: proxy.url })
  await list(opened)
  proxy.cut()
  // Until the loss is noticed a request may still meet it: it fails, but does not hang.
  await list(opened).catch((error) => t.equal(error.code, 'unavailable'))
  t.same(await list(opened), [])
})

t.test('gives up on a server that does not respond', async (t) => {
  const proxy = await startProxy(t, database.url)
  const opened = open({ DATABASE_URL: proxy.url, TRANSACTION_TIMEOUT_MS: '300', CONNECT_TIMEOUT_MS: '300' })
  await untilServed(opened)
  proxy.mute = true
  await t.rejects(list(opened), { code: 'unavailable' }, 'on an open connection')
  await t.rejects(list(opened), { code: 'unavailable' }, 'on a new connection')
  proxy.mute = false
  await untilServed(opened)
})

t.test('serves a waiting request on a new connection when the old one is lost', async (t) => {
  const opened = open()
  const { result } = await hold(opened)
  const second = list(opened)
  await terminate(`state = 'idle in transaction'`)
  await t.rejects(result, { code: 'unavailable' })
  t.same(await second, [])
})

t.test('rejects a waiting request when there is no new connection either', async (t) => {
  for (const [POOL_TIMEOUT_MS, code] of [
    ['60000', 'unavailable'],
    ['50', 'overloaded'],
  ] as const) {
    const proxy = await startProxy(t, database.url)
    const opened = open({ DATABASE_URL: proxy.url, POOL_TIMEOUT_MS, CONNECT_TIMEOUT_MS: '300' })
    await untilServed(opened)
    const { result } = await hold(opened)
    const second = list(opened)
    second.catch(() => {})
    proxy.mute = true
    proxy.cut()
    await t.rejects(result, { code: 'unavailable' })
    await t.rejects(second, { code })
    proxy.mute = false
    await until('the lost connection is given up', () => opened.stats().in_use === 0)
    await untilServed(opened)
    await leavesNothing(t, opened)
  }
})

t.test('rejects a waiting request when a closed connection cannot be replaced', async (t) => {
  const proxy = await startProxy(t, database.url)
  const opened = open({ DATABASE_URL: proxy.url, DATABASE_POOL_SIZE: '2' })
  const { result, finish } = await hold(opened)
  let fail: (() => void) | undefined
  const failing = opened.withoutUser(async (tx) => {
    await tx`select 1`
    await new Promise<void>((resolve) => (fail = resolve))
    return tx`select no_such_column`
  })
  failing.catch(() => {})
  await until('both connections are in use', () => fail !== undefined)
  const waiting = opened.withoutUser((tx) => tx`select 1`)
  waiting.catch(() => {})
  await until('the request waits', () => opened.stats().waiting === 1)
  proxy.target = 'postgres://127.0.0.1:1'
  fail?.()
  await t.rejects(failing, { code: '42703' })
  await t.rejects(waiting, { code: 'unavailable' })
  finish()
  t.match(await result, [{}], 'the other connection is not affected')
})

t.test('reports faults of the database as 503, without internals', async (t) => {
  const proxy = await startProxy(t, database.url)
  const behind = await createApp(t, proxy, {
    DATABASE_POOL_SIZE: '1',
    TRANSACTION_TIMEOUT_MS: '300',
    CONNECT_TIMEOUT_MS: '300',
  })
  const headers = { authorization: `Bearer ${user.token}` }
  const read = () => behind.inject({ url: '/todos', headers })
  const write = () => behind.inject({ method: 'POST', url: '/todos', headers, payload: { title: 'x' } })
  const untilRead = () => until('a read succeeds', async () => (await read()).statusCode === 200)
  await untilRead()
  proxy.mute = true
  problem(t, await read(), 503, 'unavailable')
  const written = await write()
  problem(t, written, 503, 'unavailable')
  t.notMatch(
    written.json().detail,
    /outcome of this write is unknown/,
    'nothing was sent without a connection',
  )
  proxy.mute = false
  await untilRead()
  proxy.mute = true
  const sent = await write()
  problem(t, sent, 503, 'unavailable')
  t.match(sent.json().detail, /outcome of this write is unknown/, 'the commit was sent')
  proxy.mute = false
})

t.test('reports a lock that is not released as 503, and a missing table as 500', async (t) => {
  const app = await createApp(t, database, { DATABASE_POOL_SIZE: '1', LOCK_TIMEOUT_MS: '20' })
  const read = () => app.inject({ url: '/todos', headers: { authorization: `Bearer ${user.token}` } })
  await database.admin.begin(async (sql) => {
    await sql`lock table todos in access exclusive mode`
    problem(t, await read(), 503, 'unavailable')
  })
  await database.admin`alter table todos rename to gone`
  problem(t, await read(), 500, 'internal')
  await database.admin`alter table gone rename to todos`
  t.equal((await read()).statusCode, 200)
})

t.test('replaces connections at a maximum age, and so follows a server that moves', async (t) => {
  const [old, other] = [await startProxy(t, database.url), await startProxy(t, database.url)]
  const proxy = await startProxy(t, old.url)
  const opened = open({ DATABASE_URL: proxy.url, DATABASE_CONNECTION_MAX_AGE_MS: '500' })
  const { result, finish } = await hold(opened)
  const expiry = performance.now() + 500
  proxy.target = other.url
  await until('the connection has expired', () => performance.now() > expiry)
  finish()
  t.match(await result, [{}], 'a running transaction is not interrupted')
  t.equal(other.flights, '')
  await t.resolves(list(opened), 'the next one uses a new connection')
  t.match(other.flights, '><')
  await until('an idle connection is closed', () => opened.stats().idle === 0)
  await t.resolves(list(opened))
})

t.test('leaves a server that has become read-only', async (t) => {
  const setting = `alter role ${login} in database ${new URL(database.url).pathname.slice(1)}`
  const opened = open()
  const session = () => opened.withoutUser((tx) => tx`select pg_backend_pid()`)
  const before = await session()
  const write = opened.withUser(credential, 'read write', (tx) =>
    Promise.all([
      tx`select set_config('transaction_read_only', 'on', true)`,
      tx`insert into todos (id, title, folded_title) values (gen_random_uuid(), 'x', 'x')`,
    ]),
  )
  const error = await write.catch((error) => error)
  t.match(error, { code: '25006' })
  t.equal(toApiError(error).code, 'unavailable')
  t.strictNotSame(await session(), before, 'the connection is replaced')

  await database.admin.unsafe(`${setting} set default_transaction_read_only = on`)
  const refused = open()
  t.match(await list(refused).catch(({ cause }) => cause), { code: '25006', message: /is read-only/ })
  await database.admin.unsafe(`${setting} reset default_transaction_read_only`)
  await untilServed(refused)

  // Behind a pooler, whose connections are open already.
  const faults = await database.admin.begin(async (sql) => {
    await sql`set local default_transaction_read_only = on`
    return findRoleFaults(sql as never)
  })
  t.ok(faults.some(({ fault }) => /is a standby or otherwise read-only/.test(fault)))
})

t.test('does not attempt a connection for every request while none can be opened', async (t) => {
  const proxy = await startProxy(t, database.url)
  const opened = open({ DATABASE_URL: proxy.url, DATABASE_POOL_SIZE: '8' })
  await list(opened)
  proxy.target = 'postgres://127.0.0.1:1'
  proxy.cut()
  const before = proxy.connections
  for (let n = 0; n < 200; n++) await t.rejects(list(opened), { code: 'unavailable' })
  t.ok(proxy.connections - before < 20, `${proxy.connections - before} attempts for 200 requests`)
  proxy.target = database.url
  await untilServed(opened)
})

t.test('reaches the server through a Unix socket', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'todo-api-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  await startProxy(t, database.url, join(folder, '.s.PGSQL.5432'))
  const { username, password, pathname } = new URL(database.url)
  const { PGHOST, PGUSER, PGPASSWORD, ...env } = process.env
  t.teardown(() => (process.env = env))
  Object.assign(process.env, { PGHOST: folder, PGUSER: username, PGPASSWORD: password })
  await t.resolves(list(open({ DATABASE_URL: `postgres://${pathname}` })))
})
