import underPressure from '@fastify/under-pressure'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Config } from '../config.ts'
import { overloaded } from './errors.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Requests that are being worked on. */
    running: ReadonlySet<FastifyRequest>
  }
}

/**
 * While the event loop lags, works on no more requests at a time than keep the database busy, and refuses the others
 * at once. Refusing all would never end when the refusals are what it lags from. What waits for the database or for
 * a password's hash is bounded where it waits.
 */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    const running = new Set<FastifyRequest>()
    // One for each connection to the database, and one that waits for it.
    const few = 2 * config.DATABASE_POOL_SIZE
    app.decorate('running', running)
    await app.register(underPressure, {
      maxEventLoopDelay: config.EVENT_LOOP_DELAY_LIMIT_MS,
      sampleInterval: 500,
      pressureHandler: async (request) => {
        // Busy is not dead: who asks that must not restart it.
        if (request.url !== '/health' && running.size >= few) throw overloaded()
        running.add(request)
      },
    })
    app.addHook('onRequest', async (request) => void running.add(request))
    app.addHook('onSend', async (request) => void running.delete(request))
  },
  { name: 'overload' },
)
