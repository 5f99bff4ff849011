import { Readable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import fp from 'fastify-plugin'
import type { Config } from '../config.ts'
import { findHttpFault, findParserFault, watchConnections } from './broken-requests.ts'

/** Characters that are encoded in one turn of the event loop: a response of several megabytes would take 20 ms. */
const MAX_PIECE = 128 * 1024

/** Encodes a long response in pieces, and lets other requests go on between them. */
async function* split(text: string): AsyncGenerator<Buffer> {
  for (let start = 0; start < text.length; ) {
    // Not within a surrogate pair.
    const end = start + MAX_PIECE - Number((text.codePointAt(start + MAX_PIECE - 1) ?? 0) > 0xffff)
    yield Buffer.from(text.slice(start, end))
    start = end
    await setImmediate()
  }
}

/** Limits connections and slow clients, and rejects invalid or ambiguous HTTP requests. */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    app.server.maxConnections = config.MAX_CONNECTIONS
    watchConnections(app)
    // Nothing is awaited between this hook and the reading of the body, so no parser error is missed.
    app.addHook('onRequest', ({ raw }, _reply, done) => {
      // Only after the parser has read the rest of the packet, in which it may find a fault.
      queueMicrotask(() => done(findParserFault(raw) ?? findHttpFault(raw)))
    })
    app.addHook('onSend', (_request, reply, payload, done) => {
      // A stream is not held in memory, and waits for the client.
      if (typeof payload !== 'string') return done()
      const { raw } = reply
      const timer = setTimeout(() => raw.socket?.destroy(), config.ANSWER_TIMEOUT_MS).unref()
      raw.once('close', () => clearTimeout(timer))
      if (payload.length <= MAX_PIECE) return done()
      reply.header('content-length', Buffer.byteLength(payload))
      done(null, Readable.from(split(payload)))
    })
  },
  { name: 'connections' },
)
