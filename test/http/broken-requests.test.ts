import { type AddressInfo, Socket } from 'node:net'
import t from 'tap'
import { setUp } from '../support/app.ts'
import { sendText } from '../support/raw-http.ts'

const { app } = await setUp(t, { REQUEST_TIMEOUT_MS: '1000', HEADERS_TIMEOUT_MS: '1000' })
await app.listen({ port: 0, host: '127.0.0.1' })
const { port } = app.server.address() as AddressInfo

t.test('rejects what is not HTTP with a problem document, and closes the connection', async (t) => {
  const garbage = await sendText(port, 'GARBAGE\r\n\r\n')
  t.match(garbage, /^HTTP\/1.1 400 Bad Request\r\n/)
  t.match(garbage, 'application/problem+json')
  const huge = await sendText(port, `GET /health HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`)
  t.match(huge, /^HTTP\/1.1 431 /)
  t.match(JSON.parse(huge.split('\r\n\r\n')[1] ?? ''), { status: 431, code: 'invalid_request' })
  t.doesNotThrow(() => app.server.emit('clientError', new Error('gone'), new Socket().destroy()))
})

t.test('closes a request that stalls, in its headers or its body', async (t) => {
  const start = 'POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'
  const stalls = [start, `${start}Content-Length: 100\r\n\r\n{"email"`]
  for (const response of await Promise.all(stalls.map((text) => sendText(port, text))))
    t.match(response, /^HTTP\/1.1 408 /)
})
