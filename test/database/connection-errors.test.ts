import { once } from 'node:events'
import { createServer } from 'node:net'
import t from 'tap'
import { findTarget, withConnection } from '../../db/connect.ts'
import { isDatabaseUrl, loadConfig } from '../../src/config.ts'
import { describeCause, explainConnectionError } from '../../src/database/connection-errors.ts'
import { createDatabase } from '../../src/database/database.ts'
import { findReadinessFaults } from '../../src/service/readiness.ts'
import { createApp, problem, testing } from '../support/app.ts'
import { cloneDatabase } from '../support/clone-database.ts'
import { freePort } from '../support/external-programs.ts'

/** A URL with another part. */
const change = (url: string, parts: Partial<URL>) => Object.assign(new URL(url), parts).href

const messageOf = (call: () => unknown): string => {
  try {
    return `${call()}`
  } catch (error) {
    return (error as Error).message
  }
}

t.test('explains in one sentence why the database cannot be used, without the password', async (t) => {
  const { ownerUrl } = await cloneDatabase(t)
  const closes = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
  await once(closes, 'listening')
  t.teardown(() => closes.close())
  const { port } = closes.address() as { port: number }
  const unused = await freePort()
  const cases = (name: string, url: string): [string, RegExp][] => [
    [
      change(url, { password: 'mistyped-secret' }),
      /^The password of the user \S+ is wrong, or there is no such user: /,
    ],
    [change(url, { username: 'nobody_known' }), /^The password of the user nobody_known is wrong, /],
    [change(url, { password: '' }), /^The server requires a password for the user \S+: /],
    [change(url, { pathname: '/no_such' }), /^The database no_such does not exist: /],
    [
      change(url, { hostname: 'no-such-host.invalid' }),
      /^The host name of no-such-host\.invalid:\d+ (does not exist|cannot be resolved at the moment): /,
    ],
    [change(url, { port: `${unused}` }), /^Nothing is listening on 127\.0\.0\.1:\d+: /],
    [
      change(url, { port: `${port}` }),
      new RegExp(`^The server 127.0.0.1:${port} closed the connection: check that ${name} points to `),
    ],
    [
      change(url, { search: '?sslmode=require' }),
      /^The (database server \S+ does not support TLS, which|server \S+ closed the connection: check that) /,
    ],
    ['postgres://a:p%zz@127.0.0.1/x', /^DATABASE_URL must be /],
    ['postgres://a:p#s@127.0.0.1:x/x', /^DATABASE_URL must be /],
  ]
  const sentences = async (name: 'DATABASE_URL' | 'MIGRATION_DATABASE_URL', url: string) => {
    if (!isDatabaseUrl(url)) return [() => loadConfig({ ...testing, DATABASE_URL: url })].map(messageOf)
    const database = createDatabase(loadConfig({ ...testing, DATABASE_URL: url }))
    const cause = await findReadinessFaults(database).catch((error) => error)
    await database.close()
    const command = await withConnection({ name, url, embedded: false }, async () => '').catch(
      ({ message }) => message,
    )
    return [explainConnectionError(cause, url, name), command]
  }
  for (const name of ['DATABASE_URL', 'MIGRATION_DATABASE_URL'] as const)
    for (const [url, sentence] of cases(name, ownerUrl))
      for (const said of await sentences(name, url)) {
        t.match(said, sentence)
        t.match(said, /^[^\n]*\.$/, 'one sentence')
        t.notMatch(said, 'mistyped-secret')
      }
})

t.test('explains what a command needs when there is no database', async (t) => {
  const { env } = process
  t.teardown(() => Object.assign(process, { env }))
  const DATA_DIR = t.testdir({
    env: `MIGRATION_DATABASE_URL=postgres://a:b@127.0.0.1:${await freePort()}/x\n`,
  })
  const said = async (variables: Record<string, string>) => {
    process.env = { ...env, DATA_DIR, ...variables }
    for (const name of ['MIGRATION_DATABASE_URL', 'DATABASE_URL'])
      if (!variables[name]) delete process.env[name]
    try {
      return await withConnection(findTarget(), async () => 'connected')
    } catch (error) {
      return (error as Error).message
    }
  }
  t.match(
    await said({ DATA_DIR: '/nowhere' }),
    /^No database is configured: start the service, .* or set MIGRATION_DATABASE_URL /,
  )
  t.match(
    await said({}),
    /^The embedded database is not running: start the service, or set MIGRATION_DATABASE_URL\.$/,
  )
  t.match(await said({ MIGRATION_DATABASE_URL: 'mysql://x' }), /^MIGRATION_DATABASE_URL must be a URL like /)
})

t.test('explains causes that the test server cannot produce', async (t) => {
  const explain = (error: unknown) =>
    explainConnectionError(error, 'postgres://ada:s3cret@db.example/todo', 'DATABASE_URL')
  for (const code of [
    'ENOTFOUND',
    'EAI_AGAIN',
    'ENOENT',
    'ETIMEDOUT',
    'ECONNRESET',
    'CONNECTION_CLOSED',
    '28000',
    '42501',
    '53300',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'ERR_TLS_CERT_ALTNAME_INVALID',
  ])
    t.match(
      explain(new Error('outer', { cause: Object.assign(new Error('inner'), { code }) })),
      /^The (?!database at)[^\n]+: [^\n]+\.$/,
      code,
    )
  for (const message of [
    'The server does not support SSL connections',
    'timeout expired',
    'Connection terminated unexpectedly',
  ])
    t.match(explain(new Error(message)), /^The (?!database at)[^\n]+: [^\n]+\.$/, message)
  t.equal(explain(new Error('another one')), 'The database at db.example:5432 cannot be used: another one')
  t.equal(
    explainConnectionError('x', 'postgres:///?host=/run', 'X'),
    'The database at /run:5432 cannot be used: x',
  )
  t.match(
    explainConnectionError(
      Object.assign(new Error('inner'), { code: '3D000' }),
      'postgres://ada@db.example',
      'X',
    ),
    'ada',
    'the database is by default named like the user',
  )
  t.match(explainConnectionError('x', 'postgres:///todo', 'X'), 'localhost:5432')
  t.equal(describeCause(new Error('outer', { cause: new Error('inner') })), 'inner')
  t.equal(describeCause(Object.assign(new Error('slow'), { code: '57014' })), '57014 slow')
})

t.test('logs the cause of every 5xx on the line of its request', async (t) => {
  const lines: string[] = []
  const { PassThrough } = await import('node:stream')
  const logTo = new PassThrough().on('data', (data) => lines.push(...`${data}`.trim().split('\n')))
  const app = await createApp(
    t,
    { url: `postgres://a:s3cret@127.0.0.1:${await freePort()}/x` },
    { LOG_LEVEL: 'error' },
    { logTo },
  )
  problem(t, await app.inject('/ready'), 503, 'unavailable')
  t.equal(lines.length, 1)
  const line = JSON.parse(`${lines[0]}`)
  t.match(line, { level: 50, msg: 'request', status: 503, code: 'unavailable', cause: /ECONNREFUSED/ })
  t.notMatch(lines[0], /s3cret|stack/)
})
