import { PassThrough } from 'node:stream'
import t from 'tap'
import { loadConfig } from '../../src/config.ts'
import { makeReadable } from '../../src/http/readable-log.ts'
import { createApp, password, setUp, signUp, testing } from '../support/app.ts'

const { app, database } = await setUp(t)

t.test('sends Server-Timing at log level debug', async (t) => {
  const user = await signUp(app)
  const debugged = await createApp(t, database, { LOG_LEVEL: 'debug' })
  // What it logs is not wanted among the results.
  debugged.log.level = 'silent'
  const headers = { authorization: `Bearer ${user.token}` }
  const answer = await debugged.inject({ url: '/todos', headers })
  t.match(answer.headers['server-timing'], /^auth;dur=[\d.]+, db;dur=[\d.]+, total;dur=[\d.]+$/)
  const [auth, db, total] = [...String(answer.headers['server-timing']).matchAll(/dur=([\d.]+)/g)].map(Number)
  t.ok(auth !== undefined && db !== undefined && total !== undefined)
  t.notOk('server-timing' in (await user.ask('GET', '/todos')).headers)
})

t.test('writes one line for each request, and nothing that is secret', async (t) => {
  const lines: string[] = []
  const out = new PassThrough().on('data', (chunk) => lines.push(...String(chunk).trim().split('\n')))
  const logged = await createApp(t, database, { LOG_LEVEL: 'info' }, { logTo: out })
  const user = await signUp(logged)
  await user.ask('POST', '/todos', { title: 'a private matter' })
  await user.ask('GET', '/todos?count=exact&q=private', undefined, { 'x-request-id': 'mine' })
  await logged.inject('/nothing')
  await logged.inject({
    method: 'POST',
    url: '/login',
    payload: { email: 'unknown@example.com', password },
    remoteAddress: '192.0.2.7',
    headers: { 'user-agent': 'a\nb' },
  })
  await user.ask('GET', '/todos?q=')
  const entries = lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'request')
  t.match(entries, [
    { method: 'POST', route: '/register', status: 201, statements: 0 },
    { method: 'POST', route: '/login', status: 200 },
    {
      method: 'POST',
      route: '/todos',
      status: 201,
      user_id: user.id,
      // One of them counts the user's todos.
      statements: 2,
      db_ms: Number,
      ms: Number,
    },
    { method: 'GET', route: '/todos', status: 200, user_id: user.id, statements: 2, reqId: 'mine' },
    { route: 'none', status: 404, code: 'not_found', ip: '127.0.0.1' },
    {
      route: '/login',
      status: 401,
      code: 'invalid_credentials',
      ip: '192.0.2.7',
      time: Number,
      reqId: String,
    },
    { route: '/todos', status: 400, code: 'invalid_request', user_id: user.id },
  ])
  const secrets = [password, user.token, user.refreshToken, user.email, 'unknown@', 'private']
  for (const secret of secrets) t.notOk(lines.join().includes(secret))
})

t.test('writes readable lines on a terminal, and JSON elsewhere and in production', async (t) => {
  const log = async (isTTY: boolean, env = {}) => {
    const out = Object.assign(new PassThrough(), { isTTY, hasColors: () => false })
    const config = loadConfig({ ...testing, DATABASE_URL: database.url, LOG_LEVEL: 'info', ...env })
    const logTo = await makeReadable(out, config)
    const logged = await createApp(t, database, { LOG_LEVEL: 'info' }, { logTo })
    await logged.inject({ url: '/nothing', headers: { 'x-request-id': 'mine' } })
    logged.log.warn('a warning')
    return `${out.read()}`
  }
  const line =
    /^\[\d\d:\d\d:\d\d\] INFO: GET none 404 [\d.]+ ms \{"reqId":"mine","ip":"127\.0\.0\.1","code":"not_found"\}$/m
  const readable = await log(true)
  t.match(readable, line)
  t.match(readable, /WARN: a warning$/m)
  const production = { NODE_ENV: 'production', BCRYPT_COST: '10' }
  for (const json of [await log(false), await log(true, production)])
    t.match(JSON.parse(json.split('\n')[0] ?? ''), { msg: 'request', status: 404 })
  const terminal = Object.assign(new PassThrough(), { isTTY: true, hasColors: () => false })
  const config = loadConfig({ ...testing, DATABASE_URL: database.url })
  const fail = () => Promise.reject(new Error('not found'))
  t.equal(await makeReadable(terminal, config, fail), terminal, 'JSON too without pino-pretty')
})
