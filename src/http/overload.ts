import underPressure from '@fastify/under-pressure'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Config } from '../config.ts'
import { overloaded } from './errors.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Requests being processed. */
    running: ReadonlySet<FastifyRequest>
  }
}

/**
 * While the event loop lags, processes only as many requests at a time as keep the database busy, and rejects the others
 * with 503. Rejecting everything could keep the loop overloaded for ever. The queues for the database and for password
 * hashes have limits of their own.
 */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    const running = new Set<FastifyRequest>()
    // One request per database connection, and one waiting for it.
    const maxConcurrent = 2 * config.DATABASE_POOL_SIZE
    app.decorate('running', running)
    await app.register(underPressure, {
      maxEventLoopDelay: config.EVENT_LOOP_DELAY_LIMIT_MS,
      sampleInterval: 500,
      pressureHandler: async (request) => {
        // Liveness never fails because of load.
        if (request.url !== '/health' && running.size >= maxConcurrent) throw overloaded()
        running.add(request)
      },
    })
    app.addHook('onRequest', (request, _reply, done) => {
      running.add(request)
      done()
    })
    app.addHook('onSend', (request, _reply, _payload, done) => {
      running.delete(request)
      done()
    })
  },
  { name: 'overload' },
)
