import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { createApp, signUp } from '../../support/app.ts'
import { cloneDatabase } from '../../support/clone-database.ts'
import { freePort } from '../../support/free-port.ts'
import { JWT_SECRET, start } from '../../support/service-process.ts'
import { until } from '../../support/until.ts'

// The production build as a process, and clients on bare sockets that are slow, stall, or go away.

const database = await cloneDatabase(t)
const user = await signUp(await createApp(t, database))
const ADMIN_PORT = await freePort()
const { ready } = start(t, {
  DATABASE_URL: database.url,
  JWT_SECRET,
  HOST: '127.0.0.1',
  ADMIN_PORT: `${ADMIN_PORT}`,
  // Of which one user has two.
  DATABASE_POOL_SIZE: '4',
  HEADERS_TIMEOUT_MS: '500',
  REQUEST_TIMEOUT_MS: '1000',
  ANSWER_TIMEOUT_MS: '1000',
  KEEP_ALIVE_TIMEOUT_MS: '1000',
  STALL_TIMEOUT_MS: '30000',
  LOCK_TIMEOUT_MS: '60000',
  STATEMENT_TIMEOUT_MS: '60000',
  TRANSACTION_TIMEOUT_MS: '60000',
})
const api = await ready()
const port = Number(new URL(api).port)
const HEAD = `Host: localhost\r\nAuthorization: Bearer ${user.token}\r\n`
/** Milliseconds: the bounds above, the second after which they are noticed, and a busy machine. */
const BOUND = 8000

/** A client, and what it has been told until the connection was closed. */
async function open(t: Test, text: string) {
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  let heard = ''
  socket.on('data', (data) => (heard += data)).on('error', () => {})
  const closed = once(socket, 'close').then(() => heard)
  await once(socket, 'connect')
  socket.write(text)
  return { socket, closed, heard: () => heard }
}
/** A figure of /metrics. */
async function figure(line: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${ADMIN_PORT}/metrics`)).text()
  return Number(
    text
      .split('\n')
      .find((found) => found.startsWith(`${line} `))
      ?.slice(line.length),
  )
}
/** Nothing of what they did is held. */
async function isLeft(t: Test) {
  for (const line of [
    'http_requests_in_flight',
    'database_pool_connections{state="in_use"}',
    'database_pool_connections{state="waiting"}',
  ])
    await until(`${line} is 0`, async () => (await figure(line)) === 0)
  const { closed } = await open(t, `GET /todos HTTP/1.1\r\n${HEAD}Connection: close\r\n\r\n`)
  t.match(await closed, /^HTTP\/1\.1 200 /)
}
const within = async (t: Test, closed: Promise<string>) => {
  const start = performance.now()
  const heard = await closed
  t.ok(performance.now() - start < BOUND, 'in bounded time')
  return heard
}

t.test('closes what sends its headers too slowly, or nothing at all', async (t) => {
  const slow = await open(t, 'GET /todos HTTP/1.1\r\n')
  const drip = setInterval(() => slow.socket.write('a: b\r\n'), 100)
  const silent = await open(t, '')
  for (const { closed } of [slow, silent]) {
    const heard = await within(t, closed)
    t.match(heard, /^HTTP\/1\.1 408 Request Timeout\r\n.*"status":408/s)
  }
  clearInterval(drip)
  await isLeft(t)
})

t.test('closes a connection that nothing more comes on', async (t) => {
  const { closed } = await open(t, `GET /health HTTP/1.1\r\n${HEAD}\r\n`)
  t.match(await within(t, closed), /^HTTP\/1\.1 200 /)
})

t.test('closes what does not finish its body, and holds nothing for it', async (t) => {
  const head = `POST /todos HTTP/1.1\r\n${HEAD}Content-Type: application/json\r\n`
  for (const body of ['Content-Length: 100\r\n\r\n{', 'Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n']) {
    const { closed } = await open(t, head + body)
    t.match(await within(t, closed), /^HTTP\/1\.1 408 /)
  }
  const gone = await open(t, `${head}Content-Length: 100\r\n\r\n{`)
  gone.socket.resetAndDestroy()
  await isLeft(t)
})

t.test('closes what does not take its answer, and holds no connection to the database', async (t) => {
  const [row] = await database.admin`
    insert into todos (user_id, id, title, folded_title, notes)
    select ${user.id}, gen_random_uuid(), 'long', 'long', repeat('x', 10000) from generate_series(1, 1500) returning 1 as one`
  t.equal(row?.one, 1)
  for (const [path, answers] of [
    ['/todos?limit=100', 30],
    ['/me/export', 1],
  ] as const) {
    const { socket } = await open(t, '')
    socket.pause()
    socket.write(`GET ${path} HTTP/1.1\r\n${HEAD}\r\n`.repeat(answers))
    await until('there is a connection', async () => (await figure('http_connections')) > 0)
    await until(
      'the pool is idle',
      async () => (await figure('database_pool_connections{state="in_use"}')) === 0,
    )
    if (path === '/me/export') {
      t.equal(await figure('http_connections'), 1, 'an export waits for its client, and nothing else does')
      socket.destroy()
    } else {
      const start = performance.now()
      await until('the connection is closed', async () => (await figure('http_connections')) === 0)
      t.ok(performance.now() - start < BOUND, 'in bounded time')
    }
    await isLeft(t)
  }
  await database.admin`delete from todos`
})

/** Holds the lock that a read of todos waits for; and says how many statements wait for it. */
async function block(t: Test) {
  const blocker = await database.admin.reserve()
  await blocker`begin`
  await blocker`lock table todos in access exclusive mode`
  const waiting = async () =>
    (
      await database.admin`
      select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`
    ).length
  t.teardown(() => blocker.release())
  return { blocker, waiting }
}

t.test('stops the running statement of a client that hangs up, however it does', async (t) => {
  const { blocker, waiting } = await block(t)
  const hangUps: Record<string, (socket: Socket) => void> = {
    reset: (socket) => socket.resetAndDestroy(),
    close: (socket) => socket.destroy(),
    half: (socket) => socket.end(),
  }
  const get = `GET /todos HTTP/1.1\r\n${HEAD}\r\n`
  const post = `POST /todos HTTP/1.1\r\n${HEAD}Content-Type: application/json\r\nContent-Length: 13\r\n\r\n{"title":"a"}`
  for (const [name, hangUp] of Object.entries(hangUps))
    for (const [text, statements] of [
      [get, 1],
      [post, 1],
      // The second of them has no answer to hear it by.
      [get + get, 2],
    ] as const) {
      const { socket } = await open(t, text)
      await until('the statements wait', async () => (await waiting()) >= statements)
      hangUp(socket)
      await until('no statement waits', async () => (await waiting()) === 0)
      t.pass(`${name}: ${statements}`)
    }
  await blocker`rollback`
  await isLeft(t)
  t.same(await database.admin`select from todos`, [], 'and what it would have written is not there')
})

t.test('costs no connection when those who hang up are many and their statements short', async (t) => {
  const opened = async () =>
    Number(
      (await database.admin`select sessions from pg_stat_database where datname = current_database()`)[0]
        ?.sessions,
    )
  // Some milliseconds' work.
  await database.admin`
    insert into todos (user_id, id, title, folded_title, notes, folded_notes)
    select ${user.id}, gen_random_uuid(), 'short', 'short', repeat('short ', 100), repeat('short ', 100) from generate_series(1, 2000)`
  await isLeft(t)
  const before = await opened()
  for (let n = 0; n < 200; n++) {
    const { socket } = await open(t, `GET /todos?q=short&count=exact HTTP/1.1\r\n${HEAD}\r\n`)
    // While it is under way.
    await new Promise((resolve) => setTimeout(resolve, n % 8))
    socket.resetAndDestroy()
  }
  await isLeft(t)
  const made = (await opened()) - before
  t.comment(`${made} connections to the database for 200 that hung up`)
  t.ok(made < 50)
})

t.test('refuses to begin with a body that it cannot promise anything for', async (t) => {
  const { closed } = await open(
    t,
    `POST /todos HTTP/1.1\r\n${HEAD}Expect: wonders\r\nContent-Length: 100\r\n\r\n`,
  )
  t.match(await closed, /^HTTP\/1\.1 417 .*"status":417/s)
})

t.test('answers pipelined requests in their order', async (t) => {
  const paths = ['/todos', '/nothing', '/health', '/todos?limit=x', '/me']
  const { closed } = await open(
    t,
    paths
      .map(
        (path, n) =>
          `GET ${path} HTTP/1.1\r\n${HEAD}X-Request-Id: ${n}\r\n${n === 4 ? 'Connection: close\r\n' : ''}\r\n`,
      )
      .join(''),
  )
  const heard = await closed
  t.same(
    [...heard.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status),
    ['200', '404', '200', '400', '200'],
  )
  t.same(
    [...heard.matchAll(/^x-request-id: (\d)/gm)].map(([, id]) => id),
    ['0', '1', '2', '3', '4'],
  )
})
