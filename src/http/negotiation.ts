import accepts from '@fastify/accepts'
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ApiError, invalidParameter } from './errors.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whether the route also serves browsers. */
    html?: true
  }
}

/** Characters. Parsing the header takes quadratic time. */
const MAX_ACCEPT = 1000
const PAGES = /^\/(docs|link|\.well-known)(\/|$)/
/** Whether a request is for the explorer or a well-known URI: public, and not JSON. */
export const isPage = (request: FastifyRequest): boolean => PAGES.test(`${request.routeOptions.url}`)

/** Whether a client of a route that has both is sent HTML. Adds `Accept` to the header Vary. */
export function prefersHtml(request: FastifyRequest, reply: FastifyReply): boolean {
  reply.header('vary', [reply.getHeader('vary'), 'Accept'].filter(Boolean).join(', '))
  return request.accepts().type(['application/json', 'text/html']) === 'text/html'
}

/** 406 for a client that does not accept JSON (RFC 9110, section 12.5.1). Errors are problem documents regardless. */
export default fp(
  async (app) => {
    await app.register(accepts)
    app.addHook('onRequest', (request, _reply, done) => {
      const { accept = '*/*' } = request.headers
      // What most clients send.
      if (accept === '*/*' || accept === 'application/json') return done()
      if (accept.length > MAX_ACCEPT)
        throw invalidParameter('accept', 'too_long', `must have at most ${MAX_ACCEPT} characters`)
      const acceptsPage = request.routeOptions.config.html && request.accepts().type('text/html')
      if (!isPage(request) && !acceptsPage && !acceptsJson(request)) throw new ApiError('not_acceptable')
      done()
    })
  },
  { name: 'negotiation' },
)

/** A media range that includes JSON. When JSON is not acceptable all the same, its quality is 0. */
const COVERS_JSON = /(application\/(json|\*)|\*\/\*)\s*(;|,|$)/i

/** A client that accepts only problem documents gets JSON, unless it excludes it. */
function acceptsJson(request: FastifyRequest): boolean {
  const accept = request.accepts()
  if (accept.type('application/json')) return true
  return !!accept.type('application/problem+json') && !COVERS_JSON.test(`${request.headers.accept}`)
}
