import { createHash } from 'node:crypto'
import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Config } from '../config.ts'
import { foldEmail } from '../credentials/email.ts'
import { clientKey } from './client-address.ts'
import { ApiError } from './errors.ts'

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
const REDIS_PATIENCE_MS = 250
const REDIS_RETRY_MS = 500

/**
 * Rate limits, counted before authentication, so that floods of bad tokens count too. They are told
 * of in the structured fields of draft-ietf-httpapi-ratelimit-headers; the plugin's own headers are
 * an older form of them.
 */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    const redis = config.REDIS_URL && (await connectRedis(config.REDIS_URL, app))
    // A lost Redis lets requests pass.
    const store = redis ? { redis, nameSpace: 'todo-api:', skipOnError: true } : { cache: CLIENTS }
    await app.register(rateLimit, { global: false, ...store })

    function limiter(name: string, quota: number, key: (request: FastifyRequest) => string) {
      // In Redis all limits share one space of keys, where an email is nobody's business.
      const keyGenerator = (request: FastifyRequest) =>
        redis ? `${name}:${createHash('sha256').update(key(request)).digest('base64url')}` : key(request)
      const count = app.createRateLimit({ max: quota, timeWindow: WINDOW_SECONDS * 1000, keyGenerator })
      return async (request: FastifyRequest, reply: FastifyReply) => {
        const used = quota > 0 ? await count(request) : none
        if (used.isAllowed) return
        add(reply, 'ratelimit-policy', `"${name}";q=${quota};w=${WINDOW_SECONDS}`)
        add(reply, 'ratelimit', `"${name}";r=${used.remaining};t=${used.ttlInSeconds}`)
        if (used.isExceeded)
          throw new ApiError('rate_limited', {
            detail: `The limit "${name}" allows ${quota} requests in ${WINDOW_SECONDS} seconds; retry after ${used.ttlInSeconds} s.`,
            headers: { 'retry-after': String(used.ttlInSeconds) },
          })
      }
    }

    const limiters = {
      api: limiter('api', config.RATE_LIMIT_API, clientKey),
      register: limiter('register', config.RATE_LIMIT_REGISTER, clientKey),
      login: limiter('login', config.RATE_LIMIT_LOGIN, clientKey),
      none: async () => {},
    }
    // Whoever is logged in and gives a password again is told by the token.
    const perAccount = limiter('login_account', config.RATE_LIMIT_LOGIN_ACCOUNT, (request) => {
      const { email } = request.body as { email: string }
      return `${clientKey(request)} ${request.credential?.user_id ?? foldEmail(email)}`
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

/** Counts that replicas share. What it does not answer soon is not waited for. */
async function connectRedis(url: string, app: FastifyInstance) {
  const { Redis } = await import('ioredis')
  const redis = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    connectTimeout: REDIS_PATIENCE_MS,
    commandTimeout: REDIS_PATIENCE_MS,
    retryStrategy: () => REDIS_RETRY_MS,
  })
  let lost = false
  const onLost = () => {
    if (!lost) app.log.error('Redis is lost: requests are not limited')
    lost = true
  }
  redis.on('error', onLost).on('close', onLost)
  redis.on('ready', () => {
    if (lost) app.log.info('Redis is back: requests are limited')
    lost = false
  })
  app.addHook('onClose', async () => {
    redis.off('close', onLost)
    redis.disconnect()
  })
  return redis
}

/** A second limit on the same answer is a further member of the list. */
function add(reply: FastifyReply, name: string, value: string): void {
  const before = reply.getHeader(name)
  reply.header(name, before ? `${before}, ${value}` : value)
}
