import accepts from '@fastify/accepts'
import cors from '@fastify/cors'
import helmet from '@fastify/helmet'
import fp from 'fastify-plugin'
import type { Config } from '../config.ts'
import { ApiError, invalidParameter } from '../errors.ts'

/** What a browser's script may read beyond the headers that it always may. */
const exposed = [
  'ETag',
  'Idempotent-Replayed',
  'Link',
  'Location',
  'RateLimit',
  'RateLimit-Policy',
  'Retry-After',
  'WWW-Authenticate',
  'X-Request-Id',
]
const allowed = [
  'Authorization',
  'Content-Type',
  'Idempotency-Key',
  'If-Match',
  'If-None-Match',
  'X-Request-Id',
]
const DAY = 86_400
/** Characters. The time to parse the header grows with the square of its length. */
const MAX_ACCEPT = 1000
/** The explorer, and what has a well-known place. */
const PAGES = /^\/(docs|\.well-known\/)/

/** Headers of every answer: the request's id, security, no caching of what is personal, CORS; and 406. */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    app.addHook('onRequest', async (request, reply) => {
      reply.header('x-request-id', request.id)
    })
    await app.register(helmet, {
      // Answers are data: a browser that opens one shall run nothing. The explorer has a policy of its own.
      contentSecurityPolicy: {
        useDefaults: false,
        directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
      },
      crossOriginResourcePolicy: { policy: config.CORS_ORIGINS.length > 0 ? 'cross-origin' : 'same-origin' },
    })
    if (config.CORS_ORIGINS.length > 0)
      await app.register(cors, {
        origin: config.CORS_ORIGINS.includes('*') ? '*' : [...config.CORS_ORIGINS],
        methods: ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE'],
        allowedHeaders: allowed,
        exposedHeaders: exposed,
        maxAge: DAY,
        strictPreflight: false,
      })
    await app.register(accepts)

    app.addHook('onRequest', async (request, reply) => {
      // These are public, and not JSON.
      if (PAGES.test(request.url)) return
      reply.header('cache-control', 'no-store')
      if (`${request.headers.accept}`.length > MAX_ACCEPT)
        throw invalidParameter('accept', 'too_long', `must have at most ${MAX_ACCEPT} characters`)
      // RFC 9110, section 12.5.1. An error is answered as a problem document whatever is accepted.
      if (!request.accepts().type(['application/json', 'application/problem+json']))
        throw new ApiError('not_acceptable')
    })
  },
  { name: 'headers' },
)
