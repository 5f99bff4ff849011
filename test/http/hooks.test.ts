import { type AddressInfo, Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { setUp, signUp } from '../support/app.ts'
import { freePort } from '../support/free-port.ts'
import { parseResponses, type RawResponse, sendText } from '../support/raw-http.ts'
import { until } from '../support/until.ts'

// Whatever is sent, the response has passed through every hook: it has an id and security headers, and it has been
// counted against the rate limit, logged and measured. That holds for what the router or the parser refuses too.

const LIMIT = 100_000
const lines: Record<string, unknown>[] = []
const logTo = new PassThrough().on('data', (data) => {
  for (const line of `${data}`.trim().split('\n')) lines.push(JSON.parse(line))
})
const ADMIN_PORT = await freePort()
const env = {
  LOG_LEVEL: 'info',
  ADMIN_PORT: `${ADMIN_PORT}`,
  RATE_LIMIT_API: `${LIMIT}`,
  CORS_ORIGINS: 'https://app.example.com',
}
const { app } = await setUp(t, env, { logTo })
const user = await signUp(app)
await app.listen({ port: 0, host: '127.0.0.1' })
const { port } = app.server.address() as AddressInfo
let used = 0

/** How many responses with a status have been measured. */
async function measured(status: number): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${ADMIN_PORT}/metrics`)).text()
  const counts = text.matchAll(
    new RegExp(`^http_request_duration_seconds_count\\{.*status="${status}"\\} (\\d+)$`, 'gm'),
  )
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0)
}

async function hasPassedHooks(t: Test, { status, headers, body }: RawResponse, sent: string) {
  t.match(headers['x-request-id'], /^[\w.-]+$/, sent)
  t.equal(headers['x-content-type-options'], 'nosniff', sent)
  t.ok(headers['content-security-policy'], sent)
  t.equal(headers['access-control-expose-headers']?.includes('X-Request-Id'), true, sent)
  const left = Number(/"api";r=(\d+)/.exec(`${headers.ratelimit}`)?.[1])
  t.ok(left < LIMIT - used, `${sent}: counted`)
  used = LIMIT - left
  const isLogged = (line: Record<string, unknown>) =>
    line.msg === 'request' && line.reqId === headers['x-request-id'] && line.status === status
  await until(`${sent} is logged`, () => lines.some(isLogged))
  if (status < 400 || body === '') return
  t.match(headers['content-type'], /^application\/problem\+json/, sent)
  t.equal(headers['cache-control'], 'no-store', sent)
  t.match(JSON.parse(body), { status, request_id: headers['x-request-id'], instance: String }, sent)
}

const HEAD = 'Host: localhost\r\nConnection: close\r\n'
const bearer = `Authorization: Bearer ${user.token}\r\n`
/** A request without content. */
const line = (start: string, headers = HEAD) => `${start} HTTP/1.1\r\n${headers}\r\n`

const table: [string, number][] = [
  [line('GET /nothing'), 404],
  [line('GET /docs/static/nothing.js'), 404],
  [line('GET //todos'), 404],
  [line('GET /todos/'), 401],
  [line('HEAD /nothing'), 404],
  [line('GET /%zz'), 400],
  [line('GET /%ff'), 400],
  [line('GET /todos?q=%'), 400],
  [line('GET /todos?q=\xc3\xa9'), 400],
  [line('GET /todos#x'), 400],
  [line('GET /todos/%00', HEAD + bearer), 400],
  [line(`GET /todos/${'x'.repeat(5000)}`, HEAD + bearer), 400],
  [line(`GET /todos/${'x'.repeat(5000)}`), 401],
  [line(`DELETE /tokens/${'%41'.repeat(200)}`, HEAD + bearer), 400],
  [line('PUT /todos'), 405],
  [line('PROPFIND /todos'), 405],
  [line('TRACE /todos'), 405],
  [line('DELETE /todos/%74/x'), 404],
  [line('POST /%74odos/batch'), 401],
  [line('PUT /%74odos/batch'), 405],
  [line('PURGE /nothing'), 404],
  [line('POST /docs'), 405],
  [line('GET http://localhost/ready?x=1'), 400],
  [line('GET http://localhost/nothing'), 404],
  [line('GET http://localhost/%zz'), 400],
  [line('GET http://user@localhost/health'), 400],
  [line('GET ftp://localhost/health'), 400],
  [line('OPTIONS *'), 204],
  [
    line(
      'OPTIONS /todos',
      `${HEAD}Origin: https://app.example.com\r\nAccess-Control-Request-Method: POST\r\n`,
    ),
    204,
  ],
  [line('GET /todos', `${HEAD}Accept: text/html\r\n`), 406],
  [line('POST /todos', `${HEAD}Expect: wonders\r\nContent-Length: 5\r\n`), 417],
  [line('POST /todos', `${HEAD}Content-Type: application/json\r\nContent-Type: text/plain\r\n`), 400],
  [line('GET /todos', 'Connection: close\r\n'), 400],
  [line('GET /todos', 'Host: a\r\nHost: b\r\n'), 400],
  [line('GET /todos', `${HEAD}${'X: y\r\n'.repeat(100)}`), 400],
  [line('POST /todos', `${HEAD}Transfer-Encoding: gzip, chunked\r\n`), 400],
  [`GET /todos HTTP/0.9\r\n${HEAD}\r\n`, 400],
  // An expectation of HTTP/1.0 means nothing.
  [`GET /nothing HTTP/1.0\r\n${HEAD}Expect: wonders\r\n\r\n`, 404],
  // What the parser refuses.
  ['GARBAGE\r\n\r\n', 400],
  [line('get /todos'), 400],
  [line('GET todos'), 400],
  [line('GET /todos', `${HEAD}No colon\r\n`), 400],
  [line('GET /todos', `${HEAD}X: ${'x'.repeat(20_000)}\r\n`), 431],
  [line('POST /todos', `${HEAD}Content-Length: 1\r\nContent-Length: 2\r\n`), 400],
  [line('POST /todos', `${HEAD}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n`), 400],
  ['GET /todos HTTP/3.0\r\n\r\n', 400],
  // In its content.
  [
    `${line('POST /todos', `${HEAD}${bearer}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n`)}zz\r\n`,
    400,
  ],
  [`${line('POST /todos', `${HEAD}Transfer-Encoding: chunked\r\n`)}zz\r\n`, 400],
]

t.test('passes every response through the hooks', async (t) => {
  for (const [sent, status] of table) {
    const title = sent.slice(0, 100)
    const before = await measured(status)
    const responses = parseResponses(await sendText(port, sent))
    t.match(responses, [{ status }], title)
    const [response] = responses
    if (!response) continue
    await hasPassedHooks(t, response, title)
    t.equal(await measured(status), before + 1, `${title}: measured`)
  }
})

t.test('lists the allowed methods', async (t) => {
  for (const [start, allow] of [
    ['PROPFIND /todos', 'GET, HEAD, POST, DELETE'],
    ['PUT /todos/1?x=y', 'GET, HEAD, PATCH, DELETE'],
    ['PUT /todos/batch', 'GET, HEAD, PATCH, DELETE, POST'],
    ['DELETE /docs/json', 'GET, HEAD'],
  ] as const) {
    const [response] = parseResponses(await sendText(port, line(start)))
    t.same(new Set(response?.headers.allow?.split(', ')), new Set(allow.split(', ')), start)
  }
})

t.test('responds to a malformed request after the requests before it', async (t) => {
  const good = 'GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n'
  const text = await sendText(port, `${good}${good}GARBAGE\r\n\r\n`)
  t.match(parseResponses(text), [{ status: 200 }, { status: 200 }, { status: 400 }])
  const gone = new Socket().destroy()
  for (let n = 0; n < 2; n++) app.server.emit('clientError', new Error('gone'), gone)
  const last = good.replace('localhost', 'localhost\r\nConnection: close')
  t.match(parseResponses(await sendText(port, `${last}GARBAGE\r\n\r\n`)), [{ status: 200 }])
  const write = `POST /todos HTTP/1.1\r\nHost: localhost\r\n${bearer}Content-Type: application/json\r\nContent-Length: 13\r\n\r\n{"title":"a"}`
  t.match(parseResponses(await sendText(port, `${write}GARBAGE\r\n\r\n`)), [{ status: 201 }, { status: 400 }])
})

t.test('passes any request target through the hooks', async (t) => {
  const target = fc.string({
    unit: fc.constantFrom(...'/ab%20fFzZ:?#&=*.~\\\xe9\x01@'.split('')),
    maxLength: 20,
  })
  await fc.assert(
    fc.asyncProperty(fc.constantFrom('GET', 'OPTIONS', 'LOCK'), target, async (method, path) => {
      const [response] = parseResponses(await sendText(port, line(`${method} /${path}`)))
      t.ok(response && response.status < 500)
      if (response) await hasPassedHooks(t, response, `${method} /${path}`)
    }),
    { numRuns: 100 },
  )
})
