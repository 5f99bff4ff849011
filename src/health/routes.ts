import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { unavailable } from '../http/errors.ts'
import { problems } from '../http/schemas.ts'
import { findFaults } from './check.ts'

const Health = Type.Object({ status: Type.Literal('ok') }, { description: 'All is well.' })

/** For load balancers: is the process alive, and can it serve. */
const health: FastifyPluginAsyncTypebox = async (app) => {
  app.addFeature({ name: 'health', description: 'For load balancers and probes.' })
  app.get(
    '/health',
    {
      config: { limit: 'none' },
      schema: {
        operationId: 'getHealth',
        tags: ['health'],
        summary: 'Say that the process is alive',
        description: 'Asks no database.',
        response: { 200: Health, ...problems(400) },
      },
    },
    async () => ({ status: 'ok' as const }),
  )

  app.get(
    '/ready',
    {
      schema: {
        operationId: 'getReadiness',
        tags: ['health'],
        summary: 'Say whether requests can be served',
        description: 'Checks the database, its migrations and the safety of the API role.',
        response: { 200: Health, ...problems(400) },
      },
    },
    async (request) => {
      if (app.leaving) throw unavailable()
      const faults = await findFaults(app.database)
      if (faults.length === 0) return { status: 'ok' as const }
      request.log.error({ faults }, 'not ready')
      throw unavailable()
    },
  )
}
export default health
