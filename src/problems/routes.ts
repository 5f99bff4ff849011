import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { Config } from '../config.ts'
import { firstOrNotFound, problemCodes } from '../http/errors.ts'
import { prefersHtml } from '../http/negotiation.ts'
import { sendPage } from '../http/pages.ts'
import { problems } from '../http/schemas.ts'
import { describeProblem, renderProblem, renderProblems } from './describe.ts'
import { ProblemParams, ProblemType, ProblemTypes } from './schema.ts'

const Page = Type.String({ maxLength: 100_000, examples: ['<!doctype html>…'] })

/** What the `type` of each problem document leads to: a page for a browser, JSON for a program. */
const problemRoutes: FastifyPluginAsyncTypebox<{ config: Config }> = async (app, { config }) => {
  for (const schema of [ProblemType, ProblemTypes]) app.addSchema(schema)
  app.addFeature({ name: 'problems', description: 'What each error means and what to do about it.' })
  const base = config.BASE_PATH
  const all = problemCodes.map((code) => describeProblem(code, base))
  const answer = (name: string, description: string) => ({
    description,
    content: {
      'application/json': { schema: Type.Unsafe<object | string>(Type.Ref(name)) },
      'text/html': { schema: Page },
    },
  })

  app.get(
    '/problems',
    {
      config: { html: true },
      schema: {
        operationId: 'listProblems',
        tags: ['problems'],
        summary: 'List all problems',
        description: 'Every `code` that a problem document can have. A browser gets a page.',
        response: { 200: answer('ProblemTypes', 'All problems.'), ...problems(400) },
      },
    },
    async (request, reply) => {
      if (!prefersHtml(request, reply)) return { data: all }
      return sendPage(reply, base, 'Errors', renderProblems(all))
    },
  )

  app.get(
    '/problems/:code',
    {
      config: { html: true },
      schema: {
        operationId: 'getProblem',
        tags: ['problems'],
        summary: 'Explain a problem',
        description:
          'What the problem means, its common causes and what to do. The `type` of a problem document leads here. A browser gets a page.',
        params: ProblemParams,
        response: { 200: answer('ProblemType', 'The explanation.'), ...problems(400, 404) },
      },
    },
    async (request, reply) => {
      const known = firstOrNotFound(all.filter(({ code }) => code === request.params.code))
      if (!prefersHtml(request, reply)) return known
      return sendPage(reply, base, known.title, renderProblem(known))
    },
  )
}
export default problemRoutes
