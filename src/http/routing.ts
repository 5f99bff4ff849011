import type { IncomingMessage } from 'node:http'
import fp from 'fastify-plugin'
import { ApiError, notFound } from './errors.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by @fastify/cors when it is registered. */
    corsPreflightEnabled?: boolean
  }
}

/** Paths that no request can have, because a space ends the request target. */
export const INVALID_TARGET = '/ invalid'
/** The whole server, the target of `OPTIONS *`. */
export const SERVER_TARGET = '/ server'

const ABSOLUTE = /^https?:\/\/[^/?@]+/i
/** Characters that must be percent-encoded (RFC 3986, section 2), and fragments. */
const FORBIDDEN = /[^!-~]|#/

/**
 * Reduces a request target (RFC 9112, section 3.2) to its path and query.
 * @returns {@link INVALID_TARGET} or {@link SERVER_TARGET} for a target without a path, so that its response passes
 *   through the same hooks as every other
 */
export function normalizeTarget({ method, url = '' }: Pick<IncomingMessage, 'method' | 'url'>): string {
  if (method === 'OPTIONS' && url === '*') return SERVER_TARGET
  const relative = url.startsWith('/') ? url : url.replace(ABSOLUTE, '').replace(/^(?=\?|$)/, '/')
  const isValid = relative.startsWith('/') && (url.startsWith('/') || ABSOLUTE.test(url))
  return isValid && !FORBIDDEN.test(relative) && isDecodable(relative) ? relative : INVALID_TARGET
}

/** The router passes on a parameter that it cannot decode, with its escapes. */
function isDecodable(url: string): boolean {
  try {
    return !url.includes('%') || decodeURIComponent(url) !== ''
  } catch {
    return false
  }
}

/**
 * Rejects requests that match no route: 400 for an invalid target, 404, and 405 with Allow (RFC 9110, sections 15.5.5
 * and 15.5.6). Register it after CORS, whose catch-all OPTIONS route would otherwise make every path a known one.
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

    app.addHook('onRequest', (request, reply, done) => {
      const { url } = request
      if (url === INVALID_TARGET)
        throw new ApiError('invalid_request', { detail: 'The request target is not a valid path and query.' })
      // A preflight request; headers.ts has set its headers.
      if (request.corsPreflightEnabled) return reply.code(204).send()
      if (!request.is404) return done()
      const path = decodeURI(url.replace(/\?.*/, ''))
      const allowed = allow((pattern) => pattern.test(path))
      if (allowed === '') throw notFound()
      throw new ApiError('method_not_allowed', { headers: { allow: allowed } })
    })
  },
  { name: 'routing' },
)

/** Converts a route to a pattern, with the router's parameters and wildcards. */
const toPattern = (url: string) =>
  new RegExp(`^${url.replaceAll(/:\w+|[.*]/g, (part) => ({ '.': '\\.', '*': '.*' })[part] ?? '[^/]*')}$`)
