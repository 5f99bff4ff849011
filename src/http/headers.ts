import cors from '@fastify/cors'
import helmet from '@fastify/helmet'
import fp from 'fastify-plugin'
import type { Config } from '../config.ts'
import { isPage } from './negotiation.ts'

/** Headers that CORS exposes to scripts, besides those that are always exposed. */
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

/** Headers of every response: request id, security, no caching of personal data, CORS. */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    app.addHook('onRequest', async (request, reply) => {
      reply.header('x-request-id', request.id)
    })
    await app.register(helmet, {
      // Responses are data: a browser that opens one must not run anything. The explorer has its own policy.
      contentSecurityPolicy: {
        useDefaults: false,
        directives: {
          defaultSrc: ["'none'"],
          objectSrc: ["'none'"],
          baseUri: ["'none'"],
          formAction: ["'none'"],
          frameAncestors: ["'none'"],
        },
      },
      crossOriginResourcePolicy: { policy: config.CORS_ORIGINS.length > 0 ? 'cross-origin' : 'same-origin' },
    })
    if (config.CORS_ORIGINS.length > 0)
      await app.register(cors, {
        origin: config.CORS_ORIGINS.includes('*') ? '*' : [...config.CORS_ORIGINS],
        methods: ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE'],
        allowedHeaders: [...allowed, ...config.CORS_ALLOWED_HEADERS],
        exposedHeaders: exposed,
        maxAge: DAY,
        strictPreflight: false,
        // http/routing.ts responds, after the rate limits.
        preflightContinue: true,
      })
    app.addHook('onRequest', async (request, reply) => {
      if (!isPage(request)) reply.header('cache-control', 'no-store')
    })
  },
  { name: 'headers' },
)
