import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import t, { type Test } from 'tap'
import { startCluster } from '../../../db/embedded/cluster.ts'
import { password } from '../../support/app.ts'
import { defaultBounds, start as startProcess } from '../../support/service-process.ts'
import { startStandby } from '../../support/standby.ts'
import { startProxy } from '../../support/tcp-proxy.ts'
import { startTemporary } from '../../support/temporary-postgres.ts'
import { until } from '../../support/until.ts'
import { checkWrites, startLoad } from './load.ts'

// The production build as a process, with a PostgreSQL of its own that is hurt while clients write.

const embedded = await startTemporary()
const { folder } = embedded
let stopDatabase = embedded.stop
t.teardown(() => stopDatabase())
const secrets = JSON.parse(readFileSync(join(folder, 'secrets.json'), 'utf8'))
const login = new URL(embedded.databaseUrl).username
const POOL_SIZE = 5

const pidFile = join(folder, 'postgres/data/postmaster.pid')
const signalServer = (signal: NodeJS.Signals) =>
  process.kill(Number(readFileSync(pidFile, 'utf8').split('\n')[0]), signal)

/** A superuser's connection to the database, wherever that is now. */
function openAdmin(t: Test) {
  const url = Object.assign(new URL(embedded.superuserUrl), { pathname: '/todo' }).href
  const admin = postgres(url, { max: 1, onnotice: () => {} })
  t.teardown(() => admin.end())
  return admin
}

/** The API behind a proxy, and clients that write. */
async function setUp(t: Test) {
  const proxy = await startProxy(t, embedded.databaseUrl)
  await openAdmin(t)`delete from users`
  const server = startProcess(t, {
    DATABASE_URL: proxy.url,
    JWT_SECRET: secrets.jwt,
    HOST: '127.0.0.1',
    DATABASE_POOL_SIZE: `${POOL_SIZE}`,
    ...defaultBounds,
  })
  const api = await server.ready()
  const token = await signUp(api)
  return { proxy, server, load: startLoad(() => api, token) }
}

async function signUp(api: string): Promise<string> {
  const send = (path: string) =>
    fetch(api + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: 'ada@example.com', password }),
    })
  await send('/register')
  return ((await (await send('/login')).json()) as { access_token: string }).access_token
}

type Scene = Awaited<ReturnType<typeof setUp>>

/** Hurts the database while clients write, and mends it: what they see meanwhile, and what is left. */
async function withstand(
  t: Test,
  hurt: (scene: Scene) => Promise<void>,
  mend: (scene: Scene) => Promise<void>,
  { isDown = true } = {},
) {
  const scene = await setUp(t)
  const { load, server } = scene
  await load.more(50)
  await hurt(scene)
  const since = performance.now()
  await sleep(2500)
  if (isDown) {
    await until('/ready is answered', () => load.answers('/ready', since).length > 0)
    t.same([...new Set(load.answers('/ready', since))], [503], 'it is not ready')
  }
  await mend(scene)
  const mended = performance.now()
  await load.more(50)
  t.comment(`${Math.round(performance.now() - mended)} ms until it worked again`)
  await until('/ready returns 200', () => load.answers('/ready').at(-1) === 200)
  await load.stop()
  t.comment(`the longest answer took ${Math.round(load.longest())} ms`)
  t.ok(load.longest() < 4000, 'no answer took long')
  t.same(load.strange, [], 'every answer is 201, or 503 with Retry-After')
  t.same([...new Set(load.answers('/health'))], [200], 'it is alive throughout')
  t.equal(server.server.exitCode, null)
  const admin = openAdmin(t)
  await checkWrites(t, { admin }, load.writes)
  const left = await admin`
    select state, wait_event_type from pg_stat_activity where usename = ${login}`
  t.ok(left.length <= POOL_SIZE, 'no connection is left behind')
  t.notOk(
    left.some(({ state }) => state !== 'idle'),
    'and no transaction',
  )
}

t.test('withstands that PostgreSQL is killed, and comes back', (t) =>
  withstand(
    t,
    async () => {
      signalServer('SIGKILL')
    },
    async ({ proxy }) => {
      const cluster = await startCluster(join(folder, 'postgres'), secrets.superuser)
      const { stop } = embedded
      stopDatabase = () => cluster.stop().finally(stop)
      for (const url of ['databaseUrl', 'superuserUrl'] as const)
        embedded[url] = Object.assign(new URL(embedded[url]), { port: cluster.port }).href
      proxy.target = embedded.databaseUrl
    },
  ),
)

t.test('withstands that its connections are cut, in every phase of a transaction', (t) =>
  withstand(
    t,
    async ({ proxy }) => {
      // A transaction is about a thousand bytes either way, a new connection as many.
      proxy.cutAfter = () => Math.floor(Math.random() * 5000)
    },
    async ({ proxy }) => {
      proxy.cutAfter = undefined
      proxy.cut()
    },
    { isDown: false },
  ),
)

t.test('withstands that PostgreSQL takes connections, and never answers', (t) =>
  withstand(
    t,
    async ({ proxy }) => {
      proxy.mute = true
    },
    async ({ proxy }) => {
      proxy.mute = false
    },
  ),
)

t.test('withstands that PostgreSQL has no connection to give', (t) =>
  withstand(
    t,
    async () => {
      const admin = openAdmin(t)
      await admin.unsafe(`alter role ${login} connection limit 0`)
      await admin`select pg_terminate_backend(pid) from pg_stat_activity where usename = ${login}`
    },
    async () => {
      await openAdmin(t).unsafe(`alter role ${login} connection limit -1`)
    },
  ),
)

t.test('keeps what it has acknowledged when it is killed itself', async (t) => {
  const { proxy, server, load } = await setUp(t)
  await load.stop()
  let api = await server.ready()
  const token = await signUp(api)
  const stream = startLoad(() => api, token)
  for (let n = 0, current = server; n < 2; n++) {
    await stream.more(50)
    current.server.kill('SIGKILL')
    await current.ended
    current = startProcess(t, { DATABASE_URL: proxy.url, JWT_SECRET: secrets.jwt, HOST: '127.0.0.1' })
    api = await current.ready()
  }
  await stream.more(50)
  await stream.stop()
  await checkWrites(t, { admin: openAdmin(t) }, stream.writes)
})

// The last test: the first server is not started again.
t.test('refuses a standby that a proxy moves to, and uses it once it is promoted', async (t) => {
  let standby: Awaited<ReturnType<typeof startStandby>> | undefined
  await withstand(
    t,
    async ({ proxy }) => {
      signalServer('SIGINT')
      await until('the server has stopped', () => !existsSync(pidFile))
      standby = await startStandby(t, realpathSync(dirname(pidFile)), embedded.superuserUrl)
      for (const url of ['databaseUrl', 'superuserUrl'] as const)
        embedded[url] = Object.assign(new URL(embedded[url]), { port: standby.port }).href
      proxy.target = embedded.databaseUrl
    },
    async () => void (await standby?.promote()),
  )
})
