import cors from '@fastify/cors'
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

/** Security headers (OWASP, HTTP Security Response Headers Cheat Sheet). */
const security = {
  // Responses are data: a browser that opens one must not run anything. The explorer has its own policy.
  'content-security-policy':
    "default-src 'none';object-src 'none';base-uri 'none';form-action 'none';frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'origin-agent-cluster': '?1',
  'referrer-policy': 'no-referrer',
  'strict-transport-security': `max-age=${365 * DAY}; includeSubDomains`,
  'x-content-type-options': 'nosniff',
  'x-dns-prefetch-control': 'off',
  'x-frame-options': 'DENY',
  'x-permitted-cross-domain-policies': 'none',
}

/** Headers of every response: request id, security, no caching of personal data, CORS. */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    const constant = {
      ...security,
      'cross-origin-resource-policy': config.CORS_ORIGINS.length > 0 ? 'cross-origin' : 'same-origin',
    }
    app.addHook('onRequest', (request, reply, done) => {
      reply.headers(constant).header('x-request-id', request.id)
      if (!isPage(request)) reply.header('cache-control', 'no-store')
      done()
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
  },
  { name: 'headers' },
)
