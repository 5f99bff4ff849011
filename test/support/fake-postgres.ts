import { type AddressInfo, createServer, type Socket } from 'node:net'
import type { Test } from 'tap'

// A server that speaks PostgreSQL's protocol (manual, 54.7), and answers what a test tells it to.

export function message(type: string, ...parts: (string | Buffer)[]): Buffer {
  const body = Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? Buffer.from(`${part}\0`) : part)),
  )
  const head = Buffer.alloc(5, type)
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}
const int16 = (value: number) => Buffer.from([value >> 8, value & 255])
const int32 = (value: number) => Buffer.concat([int16(value >> 16), int16(value & 65535)])

export const ready = (status = 'I') => message('Z', Buffer.from(status))
export const begun = Buffer.concat([message('1'), message('2')])
export const complete = (tag: string) => message('C', tag)
/** A result of columns of text, but of JSON by that name. */
export const columns = (...names: string[]) =>
  message(
    'T',
    int16(names.length),
    ...names.flatMap((name) => [
      name,
      int32(0),
      int16(0),
      int32(name === 'json' ? 114 : 25),
      int16(-1),
      int32(-1),
      int16(0),
    ]),
  )
export const row = (...values: string[]) =>
  message(
    'D',
    int16(values.length),
    ...values.flatMap((value) => [int32(Buffer.byteLength(value)), Buffer.from(value)]),
  )
export const fault = (code: string, severity = 'ERROR', type = 'E', text = 'told by a test') =>
  message(type, `S${severity}`, `V${severity}`, `C${code}`, `M${text}`, Buffer.from([0]))

/** The answer to one statement with a row. */
export const one = (value: string) => [begun, columns('x'), row(value), complete('SELECT 1')]

/**
 * @param answer what is sent for each Sync, by its number on its connection and the number of its connection; a
 *   connection for which there is nothing to send is closed
 */
export async function startFake(
  t: Test,
  answer: (flight: number, connection: number) => Buffer[] | undefined,
) {
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createServer((socket) => {
    const connection = connections++
    let flight = 0
    let received = Buffer.alloc(0)
    let started = false
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (data) => {
      received = Buffer.concat([received, data])
      for (;;) {
        // The first message has no type.
        const head = started ? 1 : 0
        if (received.length < head + 4) return
        const length = head + received.readInt32BE(head)
        if (received.length < length) return
        const type = String.fromCharCode(received[0] as number)
        received = received.subarray(length)
        if (!started) {
          started = true
          socket.write(Buffer.concat([message('R', int32(0)), ready()]))
        } else if (type === 'S') {
          const answers = answer(flight++, connection)
          if (!answers) return void socket.end()
          socket.write(Buffer.concat(answers))
        }
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `postgres://someone@127.0.0.1:${(server.address() as AddressInfo).port}/todo`
}
