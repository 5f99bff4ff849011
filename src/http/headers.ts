import cors from '@fastify/cors'
import helmet from '@fastify/helmet'
import fp from 'fastify-plugin'
import type { Config } from '../config.ts'
import { isPage } from './negotiation.ts'

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

/** Headers of every answer: the request's id, security, no caching of what is personal, CORS. */
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
        allowedHeaders: [...allowed, ...config.CORS_ALLOWED_HEADERS],
        exposedHeaders: exposed,
        maxAge: DAY,
        strictPreflight: false,
        // Answered in http/routing.ts, once it has been counted.
        preflightContinue: true,
      })
    app.addHook('onRequest', async (request, reply) => {
      if (!isPage(request)) reply.header('cache-control', 'no-store')
    })
  },
  { name: 'headers' },
)
