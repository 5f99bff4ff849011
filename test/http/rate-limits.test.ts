import { PassThrough } from 'node:stream'
import { parseList } from 'structured-headers'
import t from 'tap'
import { createApp, password, problem, setUp } from '../support/app.ts'
import { startFakeRedis } from '../support/fake-redis.ts'
import { until } from '../support/until.ts'

const { app } = await setUp(t, {
  RATE_LIMIT_REGISTER: '5',
  RATE_LIMIT_LOGIN: '10',
  RATE_LIMIT_LOGIN_ACCOUNT: '5',
  RATE_LIMIT_API: '20',
  TRUST_PROXY: '127.0.0.1',
})
/** From an address of its own, as a proxy would pass it on. */
const from = (address: string, method: 'GET' | 'POST', url: string, payload?: object) =>
  app.inject({ method, url, headers: { 'x-forwarded-for': address }, ...(payload && { payload }) })

t.test('lets an address register 5 times a minute', async (t) => {
  const register = (address: string, n: number) =>
    from(address, 'POST', '/register', { email: `r${n}@example.com`, password })
  for (let n = 1; n <= 5; n++) t.equal((await register('192.0.2.1', n)).statusCode, 201)
  const answer = await register('192.0.2.1', 6)
  problem(t, answer, 429, 'rate_limited')
  t.ok(Number(answer.headers['retry-after']) > 0 && Number(answer.headers['retry-after']) <= 60)
  t.equal(answer.headers['ratelimit-policy'], '"register";q=5;w=60')
  t.match(answer.headers.ratelimit, /^"register";r=0;t=\d+$/)
  t.equal((await register('192.0.2.2', 6)).statusCode, 201, 'another address may')
})

t.test('allows 5 login attempts a minute for an account, regardless of the case of the email', async (t) => {
  const email = 'account@example.com'
  await from('192.0.2.3', 'POST', '/register', { email, password })
  const login = (address: string, email: string, secret = password) =>
    from(address, 'POST', '/login', { email, password: secret })
  for (let n = 1; n <= 4; n++)
    problem(t, await login('192.0.2.3', email, 'wrong'), 401, 'invalid_credentials')
  t.equal((await login('192.0.2.3', email)).statusCode, 200)
  const answer = await login('192.0.2.3', email.toUpperCase())
  problem(t, answer, 429, 'rate_limited')
  t.match(answer.headers['ratelimit-policy'], '"login";q=10;w=60, "login_account";q=5;w=60')
  t.ok(Number(answer.headers['retry-after']) > 0)
  t.equal((await login('192.0.2.4', email)).statusCode, 200, 'from elsewhere the account is not locked')
})

t.test('allows 10 logins a minute from an address, regardless of the account', async (t) => {
  const login = (address: string, n: number) =>
    from(address, 'POST', '/login', { email: `l${n}@example.com`, password: 'wrong' })
  for (let n = 1; n <= 10; n++) problem(t, await login('192.0.2.5', n), 401, 'invalid_credentials')
  problem(t, await login('192.0.2.5', 11), 429, 'rate_limited')
})

t.test('counts everything else before authentication, bad tokens and unknown paths too', async (t) => {
  for (let n = 1; n <= 10; n++) {
    t.equal((await from('192.0.2.6', 'GET', '/todos')).statusCode, 401)
    t.equal((await from('192.0.2.6', 'GET', '/nothing')).statusCode, 404)
  }
  problem(t, await from('192.0.2.6', 'GET', '/todos'), 429, 'rate_limited')
  t.equal((await from('192.0.2.6', 'GET', '/health')).statusCode, 200, 'health is never limited')
})

t.test('counts an IPv6 network of 64 bits as one address', async (t) => {
  for (let n = 1; n <= 20; n++) t.equal((await from(`2001:db8::${n}`, 'GET', '/nothing')).statusCode, 404)
  problem(t, await from('2001:db8::abcd', 'GET', '/nothing'), 429, 'rate_limited')
  t.equal((await from('2001:db8:0:1::1', 'GET', '/nothing')).statusCode, 404)
})

t.test('believes no X-Forwarded-For of a client that is not a trusted proxy', async (t) => {
  const { app: bare } = await setUp(t, { RATE_LIMIT_API: '2' })
  const ask = (address: string) => bare.inject({ url: '/nothing', headers: { 'x-forwarded-for': address } })
  t.equal((await ask('192.0.2.7')).statusCode, 404)
  t.equal((await ask('192.0.2.8')).statusCode, 404)
  problem(t, await ask('192.0.2.9'), 429, 'rate_limited')
})

t.test('describes the limits in structured fields on every counted response', async (t) => {
  // draft-ietf-httpapi-ratelimit-headers, sections 3 and 4; RFC 9651
  const read = (header: unknown) =>
    parseList(String(header)).map(([name, parameters]) => [name, Object.fromEntries(parameters)])
  for (let n = 1; n <= 7; n++) {
    const payload = { email: 'fields@example.com', password: 'wrong' }
    const { statusCode, headers } = await from('192.0.2.20', 'POST', '/login', payload)
    t.equal(statusCode, n <= 5 ? 401 : 429)
    t.same(read(headers['ratelimit-policy']), [
      ['login', { q: 10, w: 60 }],
      ['login_account', { q: 5, w: 60 }],
    ])
    const [perAddress, perAccount] = read(headers.ratelimit) as [string, { r: number; t: number }][]
    t.match(
      [perAddress, perAccount],
      [
        ['login', { r: 10 - n }],
        ['login_account', { r: Math.max(0, 5 - n) }],
      ],
    )
    t.ok(Number.isInteger(perAddress?.[1].t) && Number(perAddress?.[1].t) <= 60)
    t.equal('retry-after' in headers, n > 5)
  }
  const { headers } = await from('192.0.2.21', 'GET', '/nothing')
  t.same(read(headers['ratelimit-policy']), [['api', { q: 20, w: 60 }]])
  t.match(read(headers.ratelimit), [['api', { r: 19 }]])
})

t.test(
  'takes the address from what proxies write: with a port, brackets or a zone, or not at all',
  async (t) => {
    const { app } = await setUp(t, { RATE_LIMIT_API: '2', TRUST_PROXY: '127.0.0.1' })
    const ask = (address: string) => app.inject({ url: '/nothing', headers: { 'x-forwarded-for': address } })
    const groups = [
      ['192.0.2.30', '192.0.2.30:1234', '192.0.2.30:5'],
      ['2001:db8::1', '[2001:db8::1]', '[2001:db8::1]:443', '2001:db8::1%eth0'],
      ['127.0.0.1', 'unknown', '_hidden', '999.1.1.1', '[x]:1'],
    ]
    for (const [first = '', second = '', ...others] of groups) {
      t.equal((await ask(first)).statusCode, 404, first)
      t.equal((await ask(second)).statusCode, 404, second)
      for (const address of others) problem(t, await ask(address), 429, 'rate_limited')
    }
    const user = { email: 'proxied@example.com', password }
    const { app: proxied } = await setUp(t, { TRUST_PROXY: '127.0.0.1' })
    await proxied.inject({ method: 'POST', url: '/register', payload: user })
    for (const address of ['unknown', '192.0.2.1:80', 'fe80::1%eth0']) {
      const headers = { 'x-forwarded-for': address }
      const answer = await proxied.inject({ method: 'POST', url: '/login', payload: user, headers })
      t.equal(answer.statusCode, 200, `${address} ${answer.body}`)
    }
  },
)

t.test('shares the counts in Redis, and counts by itself without it', async (t) => {
  const redis = await startFakeRedis(t)
  const lines: string[] = []
  const logTo = new PassThrough().on('data', (data) => lines.push(`${data}`))
  const env = { REDIS_URL: redis.url, RATE_LIMIT_API: '2', LOG_LEVEL: 'info' }
  const { app: one, database } = await setUp(t, env, { logTo })
  const other = await createApp(t, database, { ...env, LOG_LEVEL: 'silent' })
  const answers = (app: typeof one, status: number) =>
    until(`the response is ${status}`, async () => (await app.inject('/todos')).statusCode === status)
  // A command that a busy machine delays is not waited for, and its request is let through.
  await answers(one, 429)
  await answers(other, 429)

  await redis.close()
  await until('the loss is logged', () => lines.some((line) => line.includes('connection lost')))
  await answers(one, 429)
  await redis.restart()
  await until('the return is logged', () => lines.some((line) => line.includes('connection restored')))
  await answers(one, 429)
})
