import rateLimit, { normalizeIP } from '@fastify/rate-limit'
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Config } from '../config.ts'
import { ApiError } from '../errors.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The rate limit of the route: `api` unless it says otherwise, or `none`. */
    limit?: 'api' | 'register' | 'login' | 'none'
  }
}

const WINDOW_SECONDS = 60
/** What an uncounted request has used. */
const none = { isAllowed: true } as const
/** Clients whose counts are kept in memory, for each limit. */
const CLIENTS = 20_000

/**
 * Rate limits, counted before authentication, so that floods of bad tokens count too. They are told
 * of in the structured fields of draft-ietf-httpapi-ratelimit-headers; the plugin's own headers are
 * an older form of them.
 */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    await app.register(rateLimit, { global: false, cache: CLIENTS, ipv6Subnet: 64 })

    function limiter(name: string, quota: number, key: (request: FastifyRequest) => string) {
      const count = app.createRateLimit({ max: quota, timeWindow: WINDOW_SECONDS * 1000, keyGenerator: key })
      return async (request: FastifyRequest, reply: FastifyReply) => {
        const used = quota > 0 ? await count(request) : none
        if (used.isAllowed) return
        add(reply, 'ratelimit-policy', `"${name}";q=${quota};w=${WINDOW_SECONDS}`)
        add(reply, 'ratelimit', `"${name}";r=${used.remaining};t=${used.ttlInSeconds}`)
        if (used.isExceeded)
          throw new ApiError('rate_limited', { headers: { 'retry-after': String(used.ttlInSeconds) } })
      }
    }

    const address = (request: FastifyRequest) => normalizeIP(request.ip, 64)
    const limiters = {
      api: limiter('api', config.RATE_LIMIT_API, address),
      register: limiter('register', config.RATE_LIMIT_REGISTER, address),
      login: limiter('login', config.RATE_LIMIT_LOGIN, address),
      none: async () => {},
    }
    // Whoever is logged in and gives a password again is told by the token.
    const perAccount = limiter('login_account', config.RATE_LIMIT_LOGIN_ACCOUNT, (request) => {
      const { email } = request.body as { email: string }
      return `${address(request)} ${request.credential?.user_id ?? email.toLowerCase()}`
    })

    app.addHook('onRequest', (request, reply) =>
      limiters[request.routeOptions.config.limit ?? 'api'](request, reply),
    )
    app.addHook('preHandler', async (request, reply) => {
      if (request.routeOptions.config.limit === 'login') await perAccount(request, reply)
    })
  },
  { name: 'limits' },
)

/** A second limit on the same answer is a further member of the list. */
function add(reply: FastifyReply, name: string, value: string): void {
  const before = reply.getHeader(name)
  reply.header(name, before ? `${before}, ${value}` : value)
}
