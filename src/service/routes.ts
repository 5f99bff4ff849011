import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type Config, packageInfo } from '../config.ts'
import { unavailable } from '../http/errors.ts'
import { Headers, problems, Ref } from '../http/schemas.ts'
import { findReadinessFaults } from './readiness.ts'
import { Health, Index, SecurityText } from './schema.ts'

/** RFC 9116, section 2.5.5, recommends less than a year. */
const SECURITY_TEXT_VALID_MS = 180 * 86_400_000

/** Routes about the service itself, without a user: index, health checks, security.txt. */
const service: FastifyPluginAsyncTypebox<{ config: Config; now: () => number }> = async (
  app,
  { config, now },
) => {
  app.addSchema(Index)
  app.addFeature({ name: 'health', description: 'For load balancers and probes.' })
  const tags = ['health']
  const base = config.BASE_PATH
  const index = {
    name: 'TODO API',
    version: packageInfo.version,
    links: {
      document: `${base}/docs/json`,
      docs: `${base}/docs`,
      problems: `${base}/problems`,
      health: `${base}/health`,
    },
  }

  app.get(
    '/',
    {
      config: { html: true },
      schema: {
        operationId: 'getIndex',
        tags,
        summary: 'Get the index of the service',
        description:
          'Links to the OpenAPI document, the explorer and the health check. A client that prefers `text/html` is redirected to the explorer.',
        response: {
          200: {
            description: 'The index.',
            content: { 'application/json': { schema: Ref(Index) } },
          },
          302: { description: 'Redirect to the explorer.', headers: { location: Headers.location } },
          ...problems(400),
        },
      },
    },
    async (request, reply) => {
      const vary = [reply.getHeader('vary'), 'Accept'].filter(Boolean).join(', ')
      reply.header('vary', vary)
      const isBrowser = request.accepts().type(['application/json', 'text/html']) === 'text/html'
      return isBrowser ? reply.redirect('/docs') : reply.send(index)
    },
  )

  app.get(
    '/health',
    {
      config: { limit: 'none' },
      schema: {
        operationId: 'getHealth',
        tags,
        summary: 'Check that the process is running',
        description: 'A liveness check. It does not use the database.',
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
        tags,
        summary: 'Check that the service can handle requests',
        description:
          'A readiness check: 503 until the database is reachable, migrated and accessed by a safe role, and during a shutdown.',
        response: { 200: Health, ...problems(400) },
      },
    },
    async (request) => {
      if (app.shuttingDown) throw unavailable()
      const faults = await findReadinessFaults(app.database)
      if (faults.length === 0) return { status: 'ok' as const }
      request.log.error({ faults }, 'not ready')
      throw unavailable()
    },
  )

  if (!config.SECURITY_CONTACT) return
  app.get(
    '/.well-known/security.txt',
    {
      schema: {
        operationId: 'getSecurityText',
        tags,
        summary: 'Get the contact for vulnerability reports',
        description: 'A security.txt file (RFC 9116).',
        response: {
          200: { description: 'The contact.', content: { 'text/plain': { schema: SecurityText } } },
          ...problems(400),
        },
      },
    },
    async (_request, reply) => {
      const expires = new Date(now() + SECURITY_TEXT_VALID_MS).toISOString()
      return reply
        .type('text/plain; charset=utf-8')
        .send(`Contact: ${config.SECURITY_CONTACT}\nExpires: ${expires}\nPreferred-Languages: en\n`)
    },
  )
}
export default service
