import underPressure from '@fastify/under-pressure'
import fp from 'fastify-plugin'
import type { Config } from '../config.ts'
import { overloaded } from '../errors.ts'

/**
 * Refuses requests at once while the event loop lags behind, so that those it has are answered. What waits for the
 * database or for a password's hash is bounded where it waits.
 */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    await app.register(underPressure, {
      maxEventLoopDelay: config.EVENT_LOOP_DELAY_LIMIT_MS,
      sampleInterval: 500,
      pressureHandler: async ({ url }) => {
        // Busy is not dead: who asks that must not restart it.
        if (url !== '/health') throw overloaded()
      },
    })
  },
  { name: 'overload' },
)
