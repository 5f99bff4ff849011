import accepts from '@fastify/accepts'
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ApiError, invalidParameter } from './errors.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whether the route has something for a browser, too. */
    html?: true
  }
}

/** Characters. The time to parse the header grows with the square of its length. */
const MAX_ACCEPT = 1000
const PAGES = /^\/(docs|\.well-known)(\/|$)/
/** Whether a request is for the explorer, or for what has a well-known place: public, and not JSON. */
export const isPage = (request: FastifyRequest): boolean => PAGES.test(`${request.routeOptions.url}`)

/** Whether a client of a route that has both is sent HTML. Adds `Accept` to the header Vary. */
export function prefersHtml(request: FastifyRequest, reply: FastifyReply): boolean {
  reply.header('vary', [reply.getHeader('vary'), 'Accept'].filter(Boolean).join(', '))
  return request.accepts().type(['application/json', 'text/html']) === 'text/html'
}

/** 406 for a client that does not accept JSON (RFC 9110, section 12.5.1). Errors are problem documents all the same. */
export default fp(
  async (app) => {
    await app.register(accepts)
    app.addHook('onRequest', async (request) => {
      if (`${request.headers.accept}`.length > MAX_ACCEPT)
        throw invalidParameter('accept', 'too_long', `must have at most ${MAX_ACCEPT} characters`)
      const acceptsPage = request.routeOptions.config.html && request.accepts().type('text/html')
      if (!isPage(request) && !acceptsPage && !acceptsJson(request)) throw new ApiError('not_acceptable')
    })
  },
  { name: 'negotiation' },
)

/** Covers JSON: it is only there when it is excluded, by q=0. */
const COVERS_JSON = /(application\/(json|\*)|\*\/\*)\s*(;|,|$)/i

/** A client that names problem documents alone is taken to accept JSON, too. */
function acceptsJson(request: FastifyRequest): boolean {
  const accept = request.accepts()
  if (accept.type('application/json')) return true
  return !!accept.type('application/problem+json') && !COVERS_JSON.test(`${request.headers.accept}`)
}
