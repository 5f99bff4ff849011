import { execFile } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { password } from '../../support/app.ts'
import { cloneDatabase } from '../../support/clone-database.ts'
import { JWT_SECRET, post, start, stop } from '../../support/service-process.ts'
import { until } from '../../support/until.ts'

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

t.test('finishes running requests before it stops, within SHUTDOWN_GRACE_MS', async (t) => {
  const { url, admin } = await cloneDatabase(t)
  for (const [grace, outcome] of [
    ['60000', 401],
    ['50', 'cut'],
  ] as const) {
    const env = {
      DATABASE_URL: url,
      JWT_SECRET,
      HOST: '127.0.0.1',
      LOCK_TIMEOUT_MS: '60000',
      SHUTDOWN_DELAY_MS: '0',
      SHUTDOWN_GRACE_MS: grace,
    }
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
    await until('the login waits for the table', async () => (await waits()).length > 0)
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
    [
      { ...good, DATABASE_URL: 'postgres://x:y@127.0.0.1:1/z' },
      /^Nothing is listening on 127\.0\.0\.1:1: [^\n]*\n$/,
    ],
    [{ ...good, DATABASE_URL: ownerUrl }, /^The database cannot be used\. The role \w+ owns the table/],
    [
      { ...good, DATABASE_URL: unmigrated.url },
      /^The database cannot be used\. The migration \d+ has not been applied: run npm run db:migrate\.\n$/,
    ],
    [{ NODE_ENV: 'production', JWT_SECRET, BCRYPT_COST: '12' }, /^DATABASE_URL must be set to [^\n]*\n$/],
  ]
  const starts = cases.map(([env, sentence]) => ({ env, sentence, ...start(t, env, cwd) }))
  for (const { env, sentence, ended, said } of starts) {
    t.equal(await ended, 1, JSON.stringify(Object.keys(env)))
    t.match(said.err, sentence)
    t.equal(said.out, '')
  }
})

t.test('prints nothing but its log in production', async (t) => {
  const { url } = await cloneDatabase(t)
  const env = {
    // An address of this machine that does not count as loopback.
    DATABASE_URL: url.replace('@127.0.0.1:', '@0.0.0.0:'),
    JWT_SECRET,
    HOST: '127.0.0.1',
    NODE_ENV: 'production',
    BCRYPT_COST: '10',
    LOG_LEVEL: 'info',
  }
  const { server, ended, said } = start(t, env)
  while (!said.out.includes('Server listening'))
    await new Promise((resolve) => server.stdout?.once('data', resolve))
  const [warning = '', line = ''] = said.out.split('\n')
  t.match(JSON.parse(warning), {
    level: 40,
    msg: /^The connection to the database server \S+ is not encrypted/,
  })
  const address = /http:\S+:\d+/.exec(JSON.parse(line).msg)?.[0]
  await fetch(`${address}/todos`, { headers: { authorization: 'Bearer secret-token' } })
  t.equal(await stop(server, ended, 'SIGTERM'), 0)
  const lines = said.out
    .trim()
    .split('\n')
    .map((text) => JSON.parse(text))
  t.match(
    lines.find(({ msg }) => msg === 'request'),
    { method: 'GET', route: '/todos', status: 401, statements: 0, db_ms: 0, ms: Number },
  )
  t.notMatch(said.out, 'secret-token')
})

t.test('runs on the embedded database, which the db: commands find', async (t) => {
  const { server, ended, ready, cwd, said } = start(t, {})
  t.equal((await fetch(`${await ready()}/ready`)).status, 200)
  t.match(said.out, 'Database PGSERVICEFILE=.data/pg_service.conf psql service=todo')
  const env = { ...process.env, DATA_DIR: join(cwd, '.data') }
  const args = ['--import', './test/support/strip-types.mjs', 'db/print-diagram.ts']
  const { stdout } = await promisify(execFile)(process.execPath, args, { env })
  t.match(stdout, /^erDiagram\n/)
  t.equal(await stop(server, ended, 'SIGINT'), 0)
  const stopped = promisify(execFile)(process.execPath, args, { env })
  await t.rejects(stopped, { code: 2, stderr: 'The embedded database is not running' })
})
