import t from 'tap'
import type { Tx } from '../../src/database/transaction.ts'
import { until } from '../support/until.ts'
import { setScene } from './scene.ts'

const { credential, database, hold, leavesNothing, list, login, open } = await setScene(t)

// Only what must time out gets a short timeout; everything else has as long as the machine takes.

t.test('ends a statement that takes too long', async (t) => {
  const opened = open({ STATEMENT_TIMEOUT_MS: '1000' })
  const sleep = (tx: Tx) => tx`select pg_sleep(600)`
  await t.rejects(opened.withUser(credential, 'read only', sleep), { code: '57014' })
  await leavesNothing(t, opened)
})

t.test('ends a wait for a lock that takes too long', async (t) => {
  const opened = open({ LOCK_TIMEOUT_MS: '20' })
  await database.admin.begin(async (sql) => {
    await sql`lock table todos in access exclusive mode`
    await t.rejects(list(opened), { code: '55P03' })
  })
  await leavesNothing(t, opened)
})

t.test('ends a transaction that is idle for too long', async (t) => {
  const opened = open({ IDLE_TIMEOUT_MS: '500' })
  const { result, finish } = await hold(opened)
  await t.rejects(result, { code: 'unavailable' })
  finish()
  await leavesNothing(t, opened)
})

const running = () => database.admin`
  select from pg_stat_activity
  where usename = ${login} and datname = current_database() and query ~ '^ *select pg_sleep' and state = 'active'`
const untilStopped = () => until('the server stops', async () => (await running()).length === 0)

t.test('stops the statement of a client that disconnects', async (t) => {
  const opened = open()
  const client = new AbortController()
  const { signal } = client
  const asleep = opened.withUser(credential, 'read only', (tx) => tx`select pg_sleep(600)`, { signal })
  asleep.catch(() => {})
  await until('the statement runs', async () => (await running()).length > 0)
  client.abort()
  await t.rejects(asleep, { code: 'unavailable' })
  await untilStopped()
  await leavesNothing(t, opened)
  await t.rejects(
    opened.withUser(credential, 'read only', (tx) => tx`select 1`, { signal }),
    { code: 'unavailable' },
  )
  await leavesNothing(t, opened)
})

t.test('sends nothing for a client that disconnects while its request waits for a connection', async (t) => {
  const opened = open()
  const { result, finish } = await hold(opened)
  const client = new AbortController()
  let isRun = false
  const run = async () => {
    isRun = true
  }
  const waiting = opened.withUser(credential, 'read only', run, { signal: client.signal })
  waiting.catch(() => {})
  await until('the request waits', () => opened.stats().waiting === 1)
  client.abort()
  finish()
  await t.rejects(waiting, { code: 'unavailable' })
  t.notOk(isRun)
  t.equal((await result).length, 1)
  await leavesNothing(t, opened)
})

t.test('stops bulk work at its deadline', async (t) => {
  const opened = open()
  const asleep = (tx: Tx) => tx`select pg_sleep(600)`
  await t.rejects(opened.withUser(credential, 'read only', asleep, { deadline: 200 }))
  await untilStopped()
  await leavesNothing(t, opened)
})

t.test('refuses a request that no connection is free for in time', async (t) => {
  const opened = open({ POOL_TIMEOUT_MS: '50' })
  const { result, finish } = await hold(opened)
  await t.rejects(list(opened), { code: 'overloaded' })
  finish()
  t.equal((await result).length, 1)
})

t.test('refuses a request at once when too many wait for a connection', async (t) => {
  const opened = open({ POOL_QUEUE_LIMIT: '1' })
  const { result, finish } = await hold(opened)
  const second = list(opened)
  await t.rejects(list(opened), { code: 'overloaded' })
  t.equal(opened.stats().waiting, 1)
  finish()
  await result
  t.same(await second, [], 'the one that waited is served')
})
