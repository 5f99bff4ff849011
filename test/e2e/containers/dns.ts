import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { Test } from 'tap'

const HEADER = 12
const A = 1

/**
 * A name server on loopback that knows one answer, as Docker's does for a service (RFC 1035, section 4).
 * @param addresses IPv4; of every name that is asked for
 * @returns its port
 */
export async function startNameServer(t: Test, addresses: string[]): Promise<number> {
  const socket = createSocket('udp4')
  socket.on('message', (query, { port, address }) => {
    const question = query.subarray(HEADER, query.indexOf(0, HEADER) + 5)
    const found = question.readUInt16BE(question.length - 4) === A ? addresses : []
    const header = Buffer.alloc(HEADER)
    query.copy(header, 0, 0, 2)
    // An answer, without error; one question.
    for (const [place, value] of [0x8180, 1, found.length].entries())
      header.writeUInt16BE(value, 2 + 2 * place)
    // The name is the question's; type A, class IN, for a second, of four bytes.
    const records = found.map((ip) =>
      Buffer.from([0xc0, HEADER, 0, A, 0, 1, 0, 0, 0, 1, 0, 4, ...ip.split('.').map(Number)]),
    )
    socket.send(Buffer.concat([header, question, ...records]), port, address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.teardown(() => socket.close())
  return socket.address().port
}
