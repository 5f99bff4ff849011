import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { cloneDatabase } from './database.ts'
import { password, testing } from './helper.ts'

const { JWT_SECRET, ...quiet } = testing

/** Starts the server as its own process, in an empty folder, on a free port. */
function start(t: Test, env: Record<string, string>, cwd = t.testdir()) {
  const { PATH = '', NODE_OPTIONS = '', HOME = '' } = process.env
  const server = spawn(
    process.execPath,
    ['--import', import.meta.resolve('ts-blank-space/register'), join(process.cwd(), 'src/server.ts')],
    {
      cwd,
      env: {
        ...(process.env as Record<string, string>),
        PATH,
        NODE_OPTIONS,
        HOME,
        PORT: '0',
        ...quiet,
        ...env,
      },
    },
  )
  const said = { out: '', err: '' }
  server.stdout.on('data', (data) => (said.out += data))
  server.stderr.on('data', (data) => (said.err += data))
  const ended = new Promise<number | null>((resolve) => server.once('close', resolve))
  t.teardown(async () => {
    server.kill('SIGINT')
    await ended
  })
  /** The address of the API, once it has said that it is ready. */
  const ready = async () => {
    while (!said.out.includes('Explorer')) {
      const early = await Promise.race([
        ended,
        new Promise<undefined>((resolve) => server.stdout.once('data', () => resolve(undefined))),
      ])
      if (early !== undefined) throw new Error(`ended with ${early}: ${said.err}`)
    }
    return / {2}API +(\S+)/.exec(said.out)?.[1] ?? ''
  }
  return { server, said, ended, ready, cwd }
}
const stop = (server: ChildProcess, ended: Promise<number | null>, signal: NodeJS.Signals) => {
  server.kill(signal)
  return ended
}
const post = (url: string, body: object) =>
  fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })

t.test('runs on the embedded database, and keeps data and tokens over a restart', async (t) => {
  const first = start(t, {})
  const api = await first.ready()
  t.match(api, /^http:\/\/127\.0\.0\.1:\d+$/, 'listens on loopback')
  t.match(first.said.out, /Explorer .*\/docs\n/)
  t.match(first.said.out, 'Database PGSERVICEFILE=.data/pg_service.conf psql service=todo')
  t.equal((await fetch(`${api}/ready`)).status, 200)
  await post(`${api}/register`, { email: 'ada@example.com', password })
  const { access_token } = (await (
    await post(`${api}/login`, { email: 'ada@example.com', password })
  ).json()) as {
    access_token: string
  }
  const authorization = `Bearer ${access_token}`
  t.equal((await fetch(`${api}/me`, { headers: { authorization } })).status, 200)

  const second = start(t, {}, first.cwd)
  t.equal(await second.ended, 1)
  t.equal(
    second.said.err.trim(),
    `The data folder ${join(first.cwd, '.data')} is in use by process ${first.server.pid}: stop that one, or set DATA_DIR to another folder.`,
  )

  t.equal(await stop(first.server, first.ended, 'SIGINT'), 0, first.said.err)
  t.notOk(existsSync(join(first.cwd, '.data/holder.pid')))

  const third = start(t, {}, first.cwd)
  const again = await third.ready()
  t.equal((await fetch(`${again}/me`, { headers: { authorization } })).status, 200, 'the old token is good')

  third.server.kill('SIGKILL')
  await third.ended
  const fourth = start(t, {}, first.cwd)
  t.equal(
    (await fetch(`${await fourth.ready()}/me`, { headers: { authorization } })).status,
    200,
    'after a crash, too',
  )
  t.equal(await stop(fourth.server, fourth.ended, 'SIGTERM'), 0)
  const files = ['secrets.json', 'env', 'pg_service.conf']
  const { jwt, login } = JSON.parse(readFileSync(join(first.cwd, '.data/secrets.json'), 'utf8'))
  for (const secret of [jwt, login])
    t.notMatch(
      [first, third, fourth].map(({ said }) => said.out + said.err).join(),
      secret,
      'no secret is printed',
    )
  for (const file of files) t.ok(existsSync(join(first.cwd, '.data', file)))
})

t.test('runs on the database of DATABASE_URL, and reads .env', async (t) => {
  const { url } = await cloneDatabase(t)
  const cwd = t.testdir()
  writeFileSync(join(cwd, '.env'), `DATABASE_URL=${url}\nJWT_SECRET=${JWT_SECRET}\nHOST=127.0.0.1\n`)
  const { server, ended, ready, said } = start(t, {}, cwd)
  t.equal((await fetch(`${await ready()}/ready`)).status, 200)
  t.notOk(existsSync(join(cwd, '.data')))
  t.notMatch(said.out, 'Database')
  t.equal(await stop(server, ended, 'SIGTERM'), 0)
})

t.test('finishes the running requests before it stops, within the grace', async (t) => {
  const { url, admin } = await cloneDatabase(t)
  for (const [grace, outcome] of [
    ['60000', 401],
    ['50', 'cut'],
  ] as const) {
    const env = { DATABASE_URL: url, JWT_SECRET, HOST: '127.0.0.1', SHUTDOWN_GRACE_MS: grace }
    const { server, ended, ready } = start(t, env)
    const api = await ready()
    const blocker = await admin.reserve()
    await blocker`begin`
    await blocker`lock table users in access exclusive mode`
    const running = post(`${api}/login`, { email: 'ada@example.com', password }).then(
      (answer) => answer.status,
      () => 'cut',
    )
    const waits = () =>
      admin`select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`
    while ((await waits()).length === 0);
    const stopped = stop(server, ended, 'SIGTERM')
    if (outcome === 'cut') await running
    await blocker`rollback`
    blocker.release()
    t.equal(await running, outcome, `with a grace of ${grace} ms`)
    t.equal(await stopped, 0)
  }
})

t.test('ends with one sentence and exit code 1 when it cannot start', async (t) => {
  const cwd = t.testdir()
  const { url, ownerUrl } = await cloneDatabase(t)
  const taken = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => taken.once('listening', resolve))
  t.teardown(() => taken.close())
  const port = String((taken.address() as { port: number }).port)
  const good = { DATABASE_URL: url, JWT_SECRET, HOST: '127.0.0.1' }
  const unmigrated = await cloneDatabase(t)
  await unmigrated.admin`drop schema app cascade`
  const cases: [Record<string, string>, RegExp][] = [
    [{ ...good, PORT: port }, new RegExp(`^The port ${port} is in use: set PORT to another one\\.\n$`)],
    [{ ...good, HOST: '192.0.2.1' }, /^listen EADDRNOTAVAIL/],
    [{ ...good, PORT: 'x' }, /^PORT must be a whole number from 0 to 65535\.\n$/],
    [
      { ...good, DATABASE_URL: 'postgres://x:y@127.0.0.1:1/z' },
      /^The database at DATABASE_URL cannot be reached[^\n]*\n$/,
    ],
    [{ ...good, DATABASE_URL: ownerUrl }, /^This database cannot be used\. The role \w+ owns the table/],
    [
      { ...good, DATABASE_URL: unmigrated.url },
      /^This database cannot be used\. The migration \d+ has not been applied: run npm run db:migrate\.\n$/,
    ],
    [{ NODE_ENV: 'production', JWT_SECRET, BCRYPT_COST: '12' }, /^DATABASE_URL must be set to [^\n]*\n$/],
    [
      { NODE_ENV: 'production', DATABASE_URL: url, BCRYPT_COST: '12' },
      /^JWT_SECRET must be set to [^\n]*\n$/,
    ],
  ]
  const starts = cases.map(([env, sentence]) => ({ env, sentence, ...start(t, env, cwd) }))
  for (const { env, sentence, ended, said } of starts) {
    t.equal(await ended, 1, JSON.stringify(Object.keys(env)))
    t.match(said.err, sentence)
    t.equal(said.out, '')
  }
})

t.test('says nothing but its log in production', async (t) => {
  const { url } = await cloneDatabase(t)
  const env = {
    DATABASE_URL: url,
    JWT_SECRET,
    HOST: '127.0.0.1',
    NODE_ENV: 'production',
    BCRYPT_COST: '10',
    LOG_LEVEL: 'info',
  }
  const { server, ended, said } = start(t, env)
  while (!said.out.includes('Server listening'))
    await new Promise((resolve) => server.stdout?.once('data', resolve))
  const line = said.out.split('\n')[0] ?? ''
  const address = /http:\S+:\d+/.exec(JSON.parse(line).msg)?.[0]
  await fetch(`${address}/todos`, { headers: { authorization: 'Bearer secret-token' } })
  t.equal(await stop(server, ended, 'SIGTERM'), 0)
  const lines = said.out
    .trim()
    .split('\n')
    .map((text) => JSON.parse(text))
  t.match(
    lines.find(({ msg }) => msg === 'request'),
    { method: 'GET', route: '/todos', status: 401 },
  )
  t.notMatch(said.out, 'secret-token')
})

t.test('writes the OpenAPI document', async (t) => {
  const file = join(t.testdir(), 'openapi.json')
  const writer = spawn(process.execPath, [
    '--import',
    import.meta.resolve('ts-blank-space/register'),
    'src/openapi.ts',
    file,
  ])
  t.equal(await new Promise((resolve) => writer.once('close', resolve)), 0)
  t.equal(readFileSync(file, 'utf8'), readFileSync('openapi/openapi.json', 'utf8'))
})
