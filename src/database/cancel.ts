import { connect } from 'node:net'
import type { Client } from 'pg'

const CANCEL_REQUEST = 80877102
/** Milliseconds that a server gets to take the request. */
const PATIENCE = 1000

/**
 * Asks the server to stop what a connection is doing, over a connection of its own, as it must be (PostgreSQL
 * manual, 54.2.9). Nobody hears whether it came in time: the connection is not to be used afterwards.
 */
export function cancelStatement({ host, port, ...client }: Client): void {
  const { processID, secretKey } = client as unknown as { processID: number | null; secretKey: number }
  if (processID === null) return
  const request = Buffer.alloc(16)
  for (const [index, word] of [request.length, CANCEL_REQUEST, processID].entries())
    request.writeInt32BE(word, index * 4)
  request.writeInt32BE(secretKey, 12)
  const socket = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host)
  socket.on('error', socket.destroy)
  socket.setTimeout(PATIENCE, socket.destroy)
  socket.end(request)
}
