import fp from 'fastify-plugin'
import type { Config } from '../config.ts'
import { findFault, findParserFault, routeEverything } from './broken-requests.ts'

/** Bounds what a client can hold, and refuses requests that could be read in two ways. */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    app.server.maxConnections = config.MAX_CONNECTIONS
    routeEverything(app)
    // Between this hook and the reading of the content nothing waits, so no fault of the parser is missed.
    app.addHook('onRequest', async ({ raw }) => {
      const fault = findParserFault(raw) ?? findFault(raw)
      if (fault) throw fault
    })
    app.addHook('onSend', async (_request, { raw }, payload) => {
      // A stream is not in memory, and waits by itself.
      if (typeof payload !== 'string') return
      const timer = setTimeout(() => raw.socket?.destroy(), config.ANSWER_TIMEOUT_MS).unref()
      raw.once('close', () => clearTimeout(timer))
    })
  },
  { name: 'connections' },
)
