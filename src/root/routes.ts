import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { about } from '../about.ts'
import type { Config } from '../config.ts'
import { prefersHtml } from '../http/negotiation.ts'
import { Headers, problems, Ref } from '../http/schemas.ts'
import { Index } from './schema.ts'

/** The entry point: a browser goes on to the explorer, a program gets an index. */
const root: FastifyPluginAsyncTypebox<{ config: Config }> = async (app, { config }) => {
  app.addSchema(Index)
  const base = config.BASE_PATH
  const index = {
    name: 'TODO API',
    version: about.version,
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
        tags: ['health'],
        summary: 'Find the document, the explorer and the health check',
        description: 'A client that prefers `text/html` is redirected to the explorer.',
        response: {
          200: {
            description: 'The index.',
            content: { 'application/json': { schema: Ref(Index) } },
          },
          302: { description: 'To the explorer.', headers: { location: Headers.location } },
          ...problems(400),
        },
      },
    },
    async (request, reply) => {
      return prefersHtml(request, reply) ? reply.redirect('/docs') : reply.send(index)
    },
  )
}
export default root
