import { connect, Socket } from 'node:net'
import t from 'tap'
import { createApp, setUp } from '../support/app.ts'

// Requests that a proxy in front could take for another one, or for two (RFC 9112, section 11.2).

const { database } = await setUp(t)
const app = await createApp(t, database, { KEEP_ALIVE_TIMEOUT_MS: '50' })
await app.listen({ port: 0, host: '127.0.0.1' })
const { port } = new URL(app.listeningOrigin)

/** All that a client receives until its connection is closed or reset. */
async function send(text: string, to = port): Promise<string> {
  const socket = connect(Number(to), '127.0.0.1')
  let heard = ''
  socket.on('data', (data) => (heard += data)).on('error', () => {})
  socket.write(text, 'latin1')
  await new Promise((resolve) => socket.once('close', resolve))
  return heard
}
const statuses = (heard: string) =>
  [...heard.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status))

const HOST = 'Host: localhost\r\n'
const INNER = `GET /health HTTP/1.1\r\n${HOST}\r\n`
const post = (headers: string, body = '', version = '1.1') =>
  `POST /login HTTP/${version}\r\n${HOST}Content-Type: application/json\r\n${headers}\r\n\r\n${body}`
const get = (headers: string, target = '/health') => `GET ${target} HTTP/1.1\r\n${headers}\r\n`

/** Each gets one response, and what follows it in the same packet none. */
const refused: Record<string, [text: string, ...statuses: number[]]> = {
  'both lengths': [post('Content-Length: 5\r\nTransfer-Encoding: chunked', '0\r\n\r\n')],
  'both lengths, the other way round': [post('Transfer-Encoding: chunked\r\nContent-Length: 5', '0\r\n\r\n')],
  'two lengths': [post(`Content-Length: 0\r\nContent-Length: ${INNER.length}`)],
  'the same length twice': [post('Content-Length: 2\r\nContent-Length: 2', '{}')],
  'a list of lengths': [post('Content-Length: 2, 2', '{}')],
  'a length with a sign': [post('Content-Length: +2', '{}')],
  'a length in hexadecimal': [post('Content-Length: 0x2', '{}')],
  'a negative length': [post('Content-Length: -1', '{}')],
  'a length beyond all numbers': [post('Content-Length: 99999999999999999999999', '{}')],
  'a chunk without a size': [post('Transfer-Encoding: chunked', 'zz\r\n{}\r\n0\r\n\r\n')],
  'a chunk beyond all sizes': [
    post('Transfer-Encoding: chunked', 'fffffffffffffffffffff\r\n{}\r\n0\r\n\r\n'),
  ],
  'a chunk longer than it says': [post('Transfer-Encoding: chunked', '2\r\n{}0\r\n\r\n')],
  'chunks with bare line feeds': [post('Transfer-Encoding: chunked', '2\n{}\n0\n\n')],
  'an unknown coding': [post('Transfer-Encoding: xchunked', '0\r\n\r\n')],
  'chunked, and then not': [post('Transfer-Encoding: chunked, identity', '0\r\n\r\n')],
  'no coding by name': [post('Transfer-Encoding: identity')],
  'a coding that is not undone': [post('Transfer-Encoding: gzip, chunked', '2\r\n{}\r\n0\r\n\r\n')],
  'two codings': [post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked', '0\r\n\r\n')],
  'a coding behind a vertical tab': [post('Transfer-Encoding: \x0bchunked', '0\r\n\r\n')],
  'a coding in HTTP/1.0': [post('Transfer-Encoding: chunked', '0\r\n\r\n', '1.0')],
  'a space before the colon': [post(`Content-Length : ${INNER.length}`)],
  'a space before the colon of a coding': [post('Transfer-Encoding : chunked', '0\r\n\r\n')],
  'a folded line': [get(`${HOST}X-A: a\r\n b\r\n`)],
  'bare line feeds': ['GET /health HTTP/1.1\nHost: localhost\n\n'],
  'a bare line feed': [get(`Host: localhost\nX-A: a\r\n`)],
  'a bare carriage return': [get('Host: localhost\rX-A: a\r\n')],
  'a NUL in a header': [get(`${HOST}X-A: a\0b\r\n`)],
  'a NUL in the target': [get(HOST, '/hea\0lth')],
  'a space in the target': [get(HOST, '/health /health')],
  'no host': [get('')],
  'two hosts': [get(HOST + HOST)],
  'more headers than are kept': [get(HOST + 'a:b\r\n'.repeat(2500)), 400, 431],
  'more headers than anybody needs': [get(HOST + 'a:b\r\n'.repeat(101)), 400, 431],
  'a header too long': [get(`${HOST}X-A: ${'a'.repeat(20_000)}\r\n`), 431],
  'a target too long': [get(HOST, `/${'a'.repeat(20_000)}`), 431],
  'an unknown method': [`FOO /health HTTP/1.1\r\n${HOST}\r\n`],
  'an unknown version': [`GET /health HTTP/1.9\r\n${HOST}\r\n`],
  'the preface of HTTP/2': ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  'a handshake of TLS': ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  'an expectation nobody knows': [post('Expect: wonders\r\nContent-Length: 2', '{}'), 417],
}

t.test('rejects what is not HTTP with a problem document, and closes the connection', async (t) => {
  const garbage = await send('GARBAGE\r\n\r\n')
  t.match(garbage, /^HTTP\/1.1 400 Bad Request\r\n/)
  t.match(garbage, 'application/problem+json')
  const huge = await send(`GET /health HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`)
  t.match(huge, /^HTTP\/1.1 431 /)
  t.match(JSON.parse(huge.split('\r\n\r\n')[1] ?? ''), { status: 431, code: 'invalid_request' })
  t.doesNotThrow(() => app.server.emit('clientError', new Error('gone'), new Socket().destroy()))
})

t.test('refuses what could be read in two ways, once, and closes the connection', async (t) => {
  const check = async ([name, [text, ...allowed]]: [string, [string, ...number[]]]) => {
    const heard = await send(text + INNER)
    const [status = 0, ...more] = statuses(heard)
    // Node's parser rejects too many headers with 400 or 431, depending on its version.
    t.ok((allowed.length > 0 ? allowed : [400]).includes(status), `${name}: ${status}`)
    t.same(more, [], name)
    t.match(heard, /^content-type: application\/problem\+json/im)
    t.match(heard, /^connection: close/im)
    const problem = JSON.parse(heard.slice(heard.indexOf('\r\n\r\n')))
    t.match(problem, { status, code: 'invalid_request', title: String, detail: String })
    t.notMatch(heard, /HPE_|node|parse error|stack/i, 'tells nothing inside')
  }
  await Promise.all(Object.entries(refused).map(check))
})

t.test('does not speak HTTP/0.9', async (t) => {
  t.same(statuses(await send('GET /health\r\n\r\n')), [400])
})

t.test('takes the same requests when they are clear', async (t) => {
  const clear = [
    get(HOST),
    'GET /health HTTP/1.0\r\n\r\n',
    // RFC 9112, section 3.2.2.
    get(HOST, 'http://elsewhere.example/health'),
    get(`${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n`),
    get(`${HOST}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n`),
    get(HOST + 'a:b\r\n'.repeat(99)),
  ]
  const check = async (text: string) => t.same(statuses(await send(text)), [200], text.slice(0, 60))
  await Promise.all(clear.map(check))
  const chunked = post('Transfer-Encoding: chunked', '2;name=value\r\n{}\r\n0\r\n\r\n')
  t.same(statuses(await send(chunked + INNER)), [400, 200], 'a body without its members, and the next')
  t.match(await send(chunked), /is required/)
  t.match(await send(post('Expect: 100-continue\r\nContent-Length: 2', '{}')), /100 Continue.*is required/s)
})

t.test('refuses to be a proxy, and to show a request', async (t) => {
  const lines = ['CONNECT elsewhere.example:443 HTTP/1.1', 'TRACE /health HTTP/1.1', 'OPTIONS * HTTP/1.1']
  const [connected, ...others] = await Promise.all(
    lines.map((line) => send(`${line}\r\n${HOST}\r\n${INNER}`)),
  )
  t.equal(connected, '')
  t.same(others.map(statuses), [
    [405, 200],
    [404, 200],
  ])
})

t.test('closes a request that stalls, in its headers or its body', async (t) => {
  const stalling = await createApp(t, database, { REQUEST_TIMEOUT_MS: '1000', HEADERS_TIMEOUT_MS: '1000' })
  await stalling.listen({ port: 0, host: '127.0.0.1' })
  const { port } = new URL(stalling.listeningOrigin)
  const start = 'POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'
  const stalls = [start, `${start}Content-Length: 100\r\n\r\n{"email"`]
  for (const response of await Promise.all(stalls.map((text) => send(text, port))))
    t.match(response, /^HTTP\/1.1 408 /)
})
