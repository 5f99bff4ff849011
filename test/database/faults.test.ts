import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { loadConfig } from '../../src/config.ts'
import { createDatabase } from '../../src/database/database.ts'
import type { Tx } from '../../src/database/transaction.ts'
import { ApiError } from '../../src/http/errors.ts'
import { createApp, problem, setUp, signUp, testing } from '../support/app.ts'
import { credentialOf } from '../support/credential-of.ts'
import { startProxy } from '../support/tcp-proxy.ts'

const { app, database } = await setUp(t)
const user = await signUp(app)
const credential = credentialOf(user.token)
const login = new URL(database.url).username

/** One connection, so that whatever is left behind on it meets the next transaction. */
function open(env: Record<string, string> = {}) {
  const opened = createDatabase(
    loadConfig({ ...testing, DATABASE_URL: database.url, DATABASE_POOL_SIZE: '1', ...env }),
  )
  t.teardown(opened.close)
  return opened
}
const listTitles = (tx: Tx) => tx<{ title: string }>`select title from todos`
const backends = () => database.admin<{ pid: number; state: string }[]>`
  select pid, state from pg_stat_activity where usename = ${login} and datname = current_database()`

/** The connection still works, and nothing of the failed transaction is left on it. */
async function leavesNothing(t: Test, opened: ReturnType<typeof open>) {
  t.same(await opened.withUser(credential, 'read only', listTitles), [])
  const [left] = await opened.withoutUser((tx) => tx<{ id: string | null }>`select app.user_id() as id`)
  t.equal(left?.id, null, 'no user is left on the connection')
  t.notOk(
    (await backends()).some(({ state }) => state.startsWith('idle in transaction')),
    'no transaction is open',
  )
}

t.test('rolls back when a statement fails, sent together or awaited', async (t) => {
  const opened = open()
  const fails = (tx: Tx) => tx`select 1 / 0`
  await t.rejects(opened.withUser(credential, 'read write', fails), { code: '22012' })
  await leavesNothing(t, opened)
  const writesAndFails = async (tx: Tx) => {
    await tx`insert into todos (id, title) values (gen_random_uuid(), 'half')`
    await fails(tx)
  }
  await t.rejects(opened.withUser(credential, 'read write', writesAndFails), { code: '22012' })
  await leavesNothing(t, opened)
})

t.test('never tells as done what a failure undid that the work did not look at', async (t) => {
  const opened = open()
  const insert = (tx: Tx) => tx`insert into todos (id, title) values (gen_random_uuid(), 'undone')`
  const looksAway = async (tx: Tx) => {
    await insert(tx)
    await tx`select 1 / 0`.catch(() => {})
  }
  await t.rejects(opened.withUser(credential, 'read write', looksAway), {
    message: 'The transaction was rolled back',
  })
  const goesOn = async (tx: Tx) => {
    await insert(tx)
    tx`select 1 / 0`
  }
  await t.rejects(opened.withUser(credential, 'read write', goesOn), { code: '22012' })
  await leavesNothing(t, opened)
})

t.test('rolls back when the work throws, at once or later', async (t) => {
  const opened = open()
  const atOnce = (): Promise<never> => {
    throw new Error('bug')
  }
  await t.rejects(opened.withUser(credential, 'read write', atOnce), { message: 'bug' })
  const later = async (tx: Tx) => {
    await tx`insert into todos (id, title) values (gen_random_uuid(), 'half')`
    throw new ApiError('not_found')
  }
  await t.rejects(opened.withUser(credential, 'read write', later), { code: 'not_found' })
  await t.rejects(opened.withoutUser(atOnce), { message: 'bug' })
  await leavesNothing(t, opened)
})

t.test('commits work of several statements', async (t) => {
  const opened = open()
  await opened.withUser(credential, 'read write', async (tx) => {
    await tx`insert into todos (id, title) values (gen_random_uuid(), 'kept')`
    await tx`update todos set title = 'kept, too'`
  })
  t.same(await opened.withUser(credential, 'read only', listTitles), [{ title: 'kept, too' }])
  await opened.withUser(credential, 'read write', (tx) => tx`delete from todos`)
})

t.test('writes nothing in a read only transaction', async (t) => {
  const opened = open()
  const insert = (tx: Tx) => tx`insert into todos (id, title) values (gen_random_uuid(), 'x')`
  await t.rejects(opened.withUser(credential, 'read only', insert), { code: '25006' })
  await opened.withUser(credential, 'read write', insert)
  await opened.withUser(credential, 'read write', (tx) => tx`delete from todos`)
  await leavesNothing(t, opened)
})

t.test('revokes the handle when the transaction ends', async (t) => {
  const opened = open()
  const leaked: Tx[] = []
  const leak = (tx: Tx) => {
    leaked.push(tx)
    return tx`select 1`
  }
  await opened.withUser(credential, 'read only', leak)
  await opened.withoutUser(leak)
  t.equal(leaked.length, 2)
  for (const tx of leaked) t.throws(() => tx`select 1`, { message: 'This transaction has ended' })
})

t.test('shows and does nothing for a session that is not alive, even to work that looks first', async (t) => {
  const opened = open()
  const dead = { ...credential, session_id: '0198f2c4-7d1a-7c3e-9f55-0d6a4f0b1c2d' }
  let seen: unknown
  const look = async (tx: Tx) => {
    seen = await tx`select * from users`
    throw new Error('what the work made of it')
  }
  await t.rejects(opened.withUser(dead, 'read only', look), { code: 'revoked_token' })
  t.same(seen, [])
  const write = (tx: Tx) => tx`insert into todos (id, title) values (gen_random_uuid(), 'x')`
  await t.rejects(opened.withUser(dead, 'read write', write), { code: 'revoked_token' })
  await t.rejects(opened.withUser({ ...dead, user_id: 'not a uuid' }, 'read only', listTitles), {
    code: '22P02',
  })
  await leavesNothing(t, opened)
})

t.test('ends a statement, a lock wait and an idle transaction that take too long', async (t) => {
  const opened = open({ STATEMENT_TIMEOUT_MS: '50', LOCK_TIMEOUT_MS: '20', IDLE_TIMEOUT_MS: '500' })
  await t.rejects(
    opened.withUser(credential, 'read only', (tx) => tx`select pg_sleep(5)`),
    { code: '57014' },
  )
  await leavesNothing(t, opened)
  await database.admin.begin(async (sql) => {
    await sql`lock table todos in access exclusive mode`
    await t.rejects(opened.withUser(credential, 'read only', listTitles), { code: '55P03' })
  })
  await leavesNothing(t, opened)
  let wake = () => {}
  const idle = opened.withUser(credential, 'read write', async (tx) => {
    await tx`select 1`
    await new Promise<void>((resolve) => (wake = resolve))
    await tx`select 1`
  })
  await t.rejects(idle, { code: 'unavailable' }, 'the server ends it')
  wake()
  await leavesNothing(t, opened)
})

t.test('stops the statement of one who hangs up, and of bulk work that takes too long', async (t) => {
  const running = () => database.admin`
    select from pg_stat_activity where usename = ${login} and datname = current_database() and query ~ '^ *select pg_sleep' and state = 'active'`
  const opened = open()
  for (const options of [{ signal: AbortSignal.timeout(200) }, { deadline: 200 }]) {
    const asleep = opened.withUser(credential, 'read only', (tx) => tx`select pg_sleep(60)`, options)
    asleep.catch(() => {})
    while ((await running()).length === 0);
    await t.rejects(asleep)
    while ((await running()).length > 0);
    await leavesNothing(t, opened)
  }
  const signal = AbortSignal.abort()
  await t.rejects(opened.withUser(credential, 'read only', listTitles, { signal }), { code: 'unavailable' })
  await leavesNothing(t, opened)
})

t.test('answers 503 when its backend is killed, and works on afterwards', async (t) => {
  const opened = open()
  await opened.withUser(credential, 'read only', listTitles)
  const kill = () => database.admin`select pg_terminate_backend(pid) from pg_stat_activity
    where usename = ${login} and datname = current_database() and state <> 'idle'`
  const asleep = opened.withUser(credential, 'read only', (tx) => tx`select pg_sleep(5)`)
  asleep.catch(() => {})
  while ((await kill()).length === 0);
  await t.rejects(asleep, { code: 'unavailable' })
  await leavesNothing(t, opened)

  let goOn = () => {}
  const between = opened.withUser(credential, 'read write', async (tx) => {
    await tx`select 1`
    await new Promise<void>((resolve) => (goOn = resolve))
    return tx`select 1`
  })
  between.catch(() => {})
  while ((await kill()).length === 0);
  await t.rejects(between, { code: 'unavailable' })
  goOn()
  await leavesNothing(t, opened)
})

t.test('works on after a connection was lost while it was idle', async (t) => {
  const proxy = await startProxy(t, database.url)
  const opened = open({ DATABASE_URL: proxy.url })
  await opened.withUser(credential, 'read only', listTitles)
  proxy.cut()
  // Until the loss is noticed a request may still meet it; it is told so, and does not hang.
  await opened
    .withUser(credential, 'read only', listTitles)
    .catch((error) => t.equal(error.code, 'unavailable'))
  t.same(await opened.withUser(credential, 'read only', listTitles), [])
})

t.test('gives up on a server that does not answer, in bounded time', async (t) => {
  const proxy = await startProxy(t, database.url)
  const opened = open({ DATABASE_URL: proxy.url, TRANSACTION_TIMEOUT_MS: '100', CONNECT_TIMEOUT_MS: '200' })
  await opened.withUser(credential, 'read only', listTitles)
  proxy.mute = true
  await t.rejects(opened.withUser(credential, 'read only', listTitles), { code: 'unavailable' })
  await t.rejects(
    opened.withUser(credential, 'read only', listTitles),
    { code: 'unavailable' },
    'nor to a new connection',
  )
  proxy.mute = false
  t.same(await opened.withUser(credential, 'read only', listTitles), [])
})

t.test('makes the rest wait for a free connection, but neither for long nor in numbers', async (t) => {
  const opened = open({ POOL_TIMEOUT_MS: '100', POOL_QUEUE_LIMIT: '1' })
  let finish = () => {}
  const first = opened.withUser(credential, 'read only', async (tx) => {
    await new Promise<void>((resolve) => (finish = resolve))
    return tx`select 1`
  })
  await t.rejects(opened.withUser(credential, 'read only', listTitles), { code: 'overloaded' })
  const second = opened.withUser(credential, 'read only', listTitles)
  await t.rejects(opened.withUser(credential, 'read only', listTitles), { code: 'overloaded' })
  t.equal(opened.stats().waiting, 1, 'a third is refused at once')
  finish()
  await first
  t.same(await second, [], 'the one that waited is served')
})

t.test('serves the one who waited on a new connection when the old one is lost', async (t) => {
  const opened = open()
  let started = () => {}
  const ready = new Promise<void>((resolve) => (started = resolve))
  const first = opened.withUser(credential, 'read only', async (tx) => {
    await tx`select 1`
    started()
    await new Promise(() => {})
  })
  first.catch(() => {})
  await ready
  const second = opened.withUser(credential, 'read only', listTitles)
  await database.admin`select pg_terminate_backend(pid) from pg_stat_activity
    where usename = ${login} and datname = current_database() and state = 'idle in transaction'`
  await t.rejects(first, { code: 'unavailable' })
  t.same(await second, [])
})

t.test('tells the one who waited when there is no new connection either', async (t) => {
  for (const [POOL_TIMEOUT_MS, code] of [
    ['5000', 'unavailable'],
    ['50', 'overloaded'],
  ] as const) {
    const proxy = await startProxy(t, database.url)
    const opened = open({ DATABASE_URL: proxy.url, POOL_TIMEOUT_MS, CONNECT_TIMEOUT_MS: '300' })
    let started = () => {}
    const ready = new Promise<void>((resolve) => (started = resolve))
    const first = opened.withUser(credential, 'read only', async (tx) => {
      await tx`select 1`
      started()
      await new Promise(() => {})
    })
    first.catch(() => {})
    await ready
    const second = opened.withUser(credential, 'read only', listTitles)
    second.catch(() => {})
    proxy.mute = true
    proxy.cut()
    await t.rejects(first, { code: 'unavailable' })
    await t.rejects(second, { code })
    proxy.mute = false
    while (opened.stats().in_use > 0) await new Promise((resolve) => setTimeout(resolve, 10))
    await leavesNothing(t, opened)
  }
})

t.test('waits for work under way before it closes, then takes no more', async (t) => {
  const opened = open()
  const work = opened.withUser(credential, 'read only', (tx) => tx`select pg_sleep(0.05)`)
  await opened.close()
  t.equal((await work).length, 1)
  await t.rejects(opened.withUser(credential, 'read only', listTitles), { code: 'unavailable' })
})

t.test('does not let a value that cannot be bound put the connection out of step', async (t) => {
  const opened = open()
  const bind = (tx: Tx) => tx`select ${undefined as never}::text`
  await t.rejects(opened.withUser(credential, 'read only', bind), {
    message: 'A parameter cannot be of type undefined',
  })
  await leavesNothing(t, opened)
})

t.test('works without prepared statements', async (t) => {
  const opened = open({ DATABASE_PREPARE: 'false' })
  await opened.withUser(
    credential,
    'read write',
    (tx) => tx`insert into todos (id, title) values (gen_random_uuid(), ${'a'})`,
  )
  t.same(await opened.withUser(credential, 'read write', (tx) => tx`delete from todos returning title`), [
    { title: 'a' },
  ])
})

t.test('reaches the server through a Unix socket', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'todo-api-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  await startProxy(t, database.url, join(folder, '.s.PGSQL.5432'))
  const { username, password, pathname } = new URL(database.url)
  const { PGHOST, PGUSER, PGPASSWORD, ...env } = process.env
  Object.assign(process.env, { PGHOST: folder, PGUSER: username, PGPASSWORD: password })
  const opened = open({ DATABASE_URL: `postgres://${pathname}` })
  t.same(await opened.withUser(credential, 'read only', listTitles), [])
  process.env = env
})

t.test('answers faults of the database over HTTP with 503, and nothing inside', async (t) => {
  const proxy = await startProxy(t, database.url)
  const behind = await createApp(t, proxy, {
    DATABASE_POOL_SIZE: '1',
    TRANSACTION_TIMEOUT_MS: '100',
    STATEMENT_TIMEOUT_MS: '50',
  })
  const someone = await signUp(behind)
  proxy.mute = true
  problem(t, await someone.ask('GET', '/todos'), 503, 'unavailable')
  const written = await someone.ask('POST', '/todos', { title: 'x' })
  problem(t, written, 503, 'unavailable')
  t.notMatch(written.json().detail, /not known/, 'no connection, nothing sent')
  proxy.mute = false
  t.equal((await someone.ask('GET', '/todos')).statusCode, 200)
  proxy.mute = true
  const sent = await someone.ask('POST', '/todos', { title: 'x' })
  problem(t, sent, 503, 'unavailable')
  t.match(sent.json().detail, /not known/, 'its commit was sent')
  proxy.mute = false
  t.equal((await someone.ask('GET', '/todos')).statusCode, 200)
  await database.admin.begin(async (sql) => {
    await sql`lock table todos in access exclusive mode`
    problem(t, await someone.ask('GET', '/todos'), 503, 'unavailable')
  })
  await database.admin`alter table todos rename to gone`
  problem(t, await someone.ask('GET', '/todos'), 500, 'internal')
  await database.admin`alter table gone rename to todos`
  t.equal((await someone.ask('GET', '/todos')).statusCode, 200)
})
