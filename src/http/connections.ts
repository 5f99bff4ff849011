import fp from 'fastify-plugin'
import type { Config } from '../config.ts'
import { findHttpFault, findParserFault, watchConnections } from './broken-requests.ts'

/** Limits connections and slow clients, and rejects invalid or ambiguous HTTP requests. */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    app.server.maxConnections = config.MAX_CONNECTIONS
    watchConnections(app)
    // Nothing is awaited between this hook and the reading of the body, so no parser error is missed.
    app.addHook('onRequest', ({ raw }, _reply, done) => done(findParserFault(raw) ?? findHttpFault(raw)))
    app.addHook('onSend', (_request, { raw }, payload, done) => {
      // A stream is not held in memory, and waits for the client.
      if (typeof payload === 'string') {
        const timer = setTimeout(() => raw.socket?.destroy(), config.ANSWER_TIMEOUT_MS).unref()
        raw.once('close', () => clearTimeout(timer))
      }
      done()
    })
  },
  { name: 'connections' },
)
