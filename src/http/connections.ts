import fp from 'fastify-plugin'
import type { Config } from '../config.ts'
import { findFault, refuseExpectation } from './broken-requests.ts'
import { ApiError } from './errors.ts'

/** Bounds what a client can hold, and refuses requests that could be read in two ways. */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    app.server.maxConnections = config.MAX_CONNECTIONS
    app.server.on('checkExpectation', refuseExpectation)
    app.addHook('onRequest', async ({ raw }) => {
      const detail = findFault(raw)
      if (detail) throw new ApiError('invalid_request', { detail, headers: { connection: 'close' } })
    })
    app.addHook('onSend', async (_request, { raw }, payload) => {
      // A stream is not in memory, and waits by itself.
      if (typeof payload !== 'string') return
      const timer = setTimeout(() => raw.socket?.destroy(), config.ANSWER_TIMEOUT_MS).unref()
      raw.once('close', () => clearTimeout(timer))
    })
  },
  { name: 'clients' },
)
