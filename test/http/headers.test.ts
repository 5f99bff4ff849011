import t from 'tap'
import { createApp, problem, setUp, signUp } from '../support/app.ts'

const { app, database } = await setUp(t)
const user = await signUp(app)

t.test('accepts a well-formed X-Request-Id, and generates one otherwise', async (t) => {
  const ask = (id?: string) =>
    app.inject({ url: '/nothing', headers: id === undefined ? {} : { 'x-request-id': id } })
  const taken = await ask('client-1.A_b')
  t.equal(taken.headers['x-request-id'], 'client-1.A_b')
  t.equal(taken.json().request_id, 'client-1.A_b')
  for (const id of [undefined, '', 'a b', 'x'.repeat(101), '<script>']) {
    const answer = await ask(id)
    t.match(answer.headers['x-request-id'], /^[0-9a-f-]{36}$/)
    t.equal(answer.json().request_id, answer.headers['x-request-id'])
  }
})

t.test('forbids caching of personal responses and of errors', async (t) => {
  const url = `/todos/${(await user.ask('POST', '/todos', { title: 'a' })).json().id}`
  const answers = [
    await user.ask('GET', '/todos'),
    await user.ask('GET', url, undefined, { 'if-none-match': '*' }),
    await user.ask('PATCH', url, {}),
    await user.ask('GET', '/nothing'),
    await app.inject('/todos'),
    await app.inject('/health'),
  ]
  for (const answer of answers) t.equal(answer.headers['cache-control'], 'no-store')
})

t.test('sends security headers, and lets the explorer run', async (t) => {
  const { headers } = await app.inject('/health')
  t.match(headers, {
    'content-security-policy':
      "default-src 'none';object-src 'none';base-uri 'none';form-action 'none';frame-ancestors 'none'",
    'x-content-type-options': 'nosniff',
    'strict-transport-security': 'max-age=31536000; includeSubDomains',
    'referrer-policy': 'no-referrer',
    'cross-origin-resource-policy': 'same-origin',
  })
  t.notOk('x-powered-by' in headers)
  const docs = await app.inject({ url: '/docs', headers: { accept: 'text/html' } })
  t.equal(docs.statusCode, 200)
  const policy = `${docs.headers['content-security-policy']}`
  t.match(policy, /^default-src 'self';/)
  for (const directive of ['object-src', 'base-uri', 'frame-ancestors'])
    t.match(policy, `${directive} 'none'`)
  t.equal(docs.headers['cross-origin-opener-policy'], 'same-origin')
  const scripts = [...docs.body.matchAll(/src="([^"]+)"/g)].map(([, url]) => `${url}`)
  t.ok(scripts.length >= 3)
  for (const url of scripts)
    t.equal((await app.inject(url)).statusCode, 200, 'each script is from here, as the policy says')
})

t.test('names the type and the charset of what it returns', async (t) => {
  const id = (await user.ask('POST', '/todos', { title: 'a' })).json().id
  for (const [answer, type] of [
    [await user.ask('GET', `/todos/${id}`), 'application/json; charset=utf-8'],
    [await app.inject('/todos'), 'application/problem+json; charset=utf-8'],
    [await app.inject('/docs'), 'text/html; charset=utf-8'],
    [await app.inject('/docs/guide'), 'text/html; charset=utf-8'],
    [await app.inject('/docs/static/theme/mark.svg'), 'image/svg+xml; charset=utf-8'],
    [await app.inject('/docs/static/theme/page.css'), /^text\/css; charset=utf-8$/i],
    [await app.inject('/docs/static/theme/session.js'), /^application\/javascript; charset=utf-8$/i],
  ] as const)
    t.match(answer.headers, { 'content-type': type, 'x-content-type-options': 'nosniff' })
})

t.test('returns 406 to a client that accepts no JSON (RFC 9110, 15.5.7)', async (t) => {
  const ask = (accept: string) => user.ask('GET', '/todos', undefined, { accept })
  for (const accept of ['text/html', 'application/xml', 'application/json;q=0', 'image/*'])
    problem(t, await ask(accept), 406, 'not_acceptable')
  for (const accept of [
    '*/*',
    'application/*',
    'text/html, */*;q=0.1',
    'application/json',
    'application/problem+json',
    '',
  ])
    t.equal((await ask(accept)).statusCode, 200, accept)
})

t.test('lets pages of the configured origins use the API', async (t) => {
  const origin = 'https://app.example.com'
  const open = await createApp(t, database, { CORS_ORIGINS: `${origin},http://localhost:5173` })
  const preflight = (from: string) =>
    open.inject({
      method: 'OPTIONS',
      url: '/todos',
      headers: {
        origin: from,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization',
      },
    })
  const answer = await preflight(origin)
  t.equal(answer.statusCode, 204)
  t.match(answer.headers, {
    'access-control-allow-origin': origin,
    'access-control-allow-methods': 'GET, HEAD, POST, PATCH, DELETE',
    'access-control-allow-headers': /Authorization, Content-Type, Idempotency-Key, If-Match/,
    'access-control-max-age': '86400',
    vary: /Origin/,
  })
  t.notOk('access-control-allow-credentials' in answer.headers)
  t.not(
    (await preflight('https://evil.example')).headers['access-control-allow-origin'],
    'https://evil.example',
  )
  const read = await open.inject({ url: '/todos', headers: { origin } })
  t.equal(read.statusCode, 401)
  t.equal(read.headers['access-control-allow-origin'], origin)
  for (const name of ['ETag', 'Link', 'Location', 'RateLimit', 'Retry-After', 'Idempotent-Replayed'])
    t.match(read.headers['access-control-expose-headers'], name)
  t.equal((await open.inject({ method: 'PUT', url: '/todos' })).statusCode, 405)
  const traced = await createApp(t, database, {
    CORS_ORIGINS: origin,
    CORS_ALLOWED_HEADERS: 'traceparent, baggage',
  })
  const { headers } = await traced.inject({ method: 'OPTIONS', url: '/todos', headers: { origin } })
  t.match(headers['access-control-allow-headers'], /^Authorization, .*, X-Request-Id, traceparent, baggage$/)
  const any = await createApp(t, database, { CORS_ORIGINS: '*' })
  t.equal(
    (await any.inject({ url: '/health', headers: { origin } })).headers['access-control-allow-origin'],
    '*',
  )
  t.notOk(
    'access-control-allow-origin' in (await app.inject({ url: '/health', headers: { origin } })).headers,
  )
})

t.test('rejects an Accept header of excessive length', async (t) => {
  const ask = (accept: string) => app.inject({ url: '/me', headers: { accept } })
  t.equal((await ask(`${'text/html,'.repeat(99)}*/*`)).statusCode, 401, '993 characters')
  const answer = await ask(`"${'W/"",'.repeat(3000)}`)
  problem(t, answer, 400, 'invalid_request')
  t.match(answer.json().errors, [{ parameter: 'accept', code: 'too_long' }])
  t.equal((await app.inject({ url: '/health', headers: { accept: '*/*,'.repeat(400) } })).statusCode, 400)
})
