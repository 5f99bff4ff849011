import fp from 'fastify-plugin'
import { ApiError, notFound } from './errors.ts'
import { INVALID_TARGET } from './request-target.ts'

/**
 * Refuses what no route is for: 400 for a bad target, 404, and 405 with Allow (RFC 9110, sections 15.5.5 and 15.5.6).
 * Registered after CORS, whose route for OPTIONS takes every path and would make each of them known.
 */
export default fp(
  async (app) => {
    const routes = new Map<string, { pattern: RegExp; methods: Set<string> }>()
    app.addHook('onRoute', ({ url, method }) => {
      const known = routes.get(url) ?? { pattern: toPattern(url), methods: new Set() }
      for (const name of [method].flat()) known.methods.add(name)
      routes.set(url, known)
    })
    const allow = (fits: (pattern: RegExp) => boolean) => {
      const methods = [...routes.values()]
        .filter(({ pattern }) => fits(pattern))
        .map(({ methods }) => [...methods])
      return [...new Set(methods.flat())].join(', ')
    }

    app.addHook('onRequest', async (request, reply) => {
      const { url } = request
      if (url === INVALID_TARGET) throw new ApiError('invalid_request', { detail: 'The URL is not valid.' })
      // A preflight, whose headers have been set: see headers.ts.
      if (request.corsPreflightEnabled) return reply.code(204).send()
      if (!request.is404) return
      const path = decodeURI(url.replace(/\?.*/, ''))
      const allowed = allow((pattern) => pattern.test(path))
      if (allowed === '') throw notFound()
      throw new ApiError('method_not_allowed', { headers: { allow: allowed } })
    })
  },
  { name: 'routing' },
)

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by @fastify/cors, when it is in use. */
    corsPreflightEnabled?: boolean
  }
}

/** Of a route, with parameters and wildcards as the router reads them. */
const toPattern = (url: string) =>
  new RegExp(`^${url.replaceAll(/:\w+|[.*]/g, (part) => ({ '.': '\\.', '*': '.*' })[part] ?? '[^/]*')}$`)
