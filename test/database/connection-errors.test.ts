import t from 'tap'
import { loadConfig } from '../../src/config.ts'
import { describeCause, explainConnectionError } from '../../src/database/connection-errors.ts'
import { createDatabase } from '../../src/database/database.ts'
import { READ_ONLY_SERVER } from '../../src/database/server-state.ts'
import { findReadinessFaults } from '../../src/service/readiness.ts'
import { createApp, problem, testing } from '../support/app.ts'
import { checkSentence, listFaultyUrls } from '../support/faulty-urls.ts'
import { freePort } from '../support/free-port.ts'

t.test('explains in one sentence why the database cannot be used, without the password', async (t) => {
  const name = 'DATABASE_URL'
  for (const [url, sentence] of await listFaultyUrls(t, name)) {
    const database = createDatabase(loadConfig({ ...testing, [name]: url }))
    const cause = await findReadinessFaults(database).catch((error) => error)
    await database.close()
    checkSentence(t, explainConnectionError(cause, url, name), sentence)
  }
  for (const url of ['postgres://a:p%zz@127.0.0.1/x', 'postgres://a:p#s@127.0.0.1:x/x'])
    t.throws(() => loadConfig({ ...testing, [name]: url }), { message: /^DATABASE_URL must be [^\n]*\.$/ })
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
    READ_ONLY_SERVER,
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
