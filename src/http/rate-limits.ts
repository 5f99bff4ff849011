import { createHash } from 'node:crypto'
import rateLimit, { type RateLimitPluginOptions } from '@fastify/rate-limit'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Config } from '../config.ts'
import { foldEmail } from '../credentials/email.ts'
import { clientKey } from './client-address.ts'
import { ApiError } from './errors.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The rate limit of the route; `api` by default. */
    limit?: 'api' | 'register' | 'login' | 'none'
  }
}

const WINDOW_SECONDS = 60
/** Clients counted in memory, per limit. */
const MAX_CLIENTS = 20_000
const REDIS_TIMEOUT_MS = 250
const REDIS_RETRY_MS = 500

/**
 * Rate limits, counted before authentication so that bad tokens count too. The headers follow
 * draft-ietf-httpapi-ratelimit-headers; the plugin's own headers follow an older draft.
 */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    const redis = config.REDIS_URL && (await connectRedis(config.REDIS_URL, app))
    const createLocal = await createCounters(app, { cache: MAX_CLIENTS })
    const createShared = redis ? await createCounters(app, { redis, nameSpace: 'todo-api:' }) : undefined
    /** While Redis is lost, each process counts by itself. */
    const createCounter: CreateCounter = (options) => {
      const local = createLocal(options)
      const shared = createShared?.(options)
      return shared ? (request) => shared(request).catch(() => local(request)) : local
    }

    /** Creates the hook of one limit; undefined when it is off. */
    function limiter(name: string, quota: number, key: (request: FastifyRequest) => string) {
      if (quota === 0) return undefined
      // In Redis all limits share one key space; hash the key because it contains the email.
      const keyGenerator = (request: FastifyRequest) =>
        redis ? `${name}:${createHash('sha256').update(key(request)).digest('base64url')}` : key(request)
      const count = createCounter({ max: quota, timeWindow: WINDOW_SECONDS * 1000, keyGenerator })
      return async (request: FastifyRequest, reply: FastifyReply) => {
        const used = (await count(request)) as Counted
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
      none: undefined,
    }
    // The user is named by the bearer token, or else by the body.
    const perAccount = limiter('login_account', config.RATE_LIMIT_LOGIN_ACCOUNT, (request) => {
      const account = request.credential?.user_id ?? foldEmail((request.body as { email: string }).email)
      return `${clientKey(request)} ${account}`
    })

    app.addHook('onRequest', (request, reply, done) => {
      const limit = limiters[request.routeOptions.config.limit ?? 'api']
      return limit ? limit(request, reply) : done()
    })
    app.addHook('preHandler', (request, reply, done) => {
      const isLogin = request.routeOptions.config.limit === 'login'
      return isLogin && perAccount ? perAccount(request, reply) : done()
    })
  },
  { name: 'rate-limits' },
)

type CreateCounter = FastifyInstance['createRateLimit']
/** What a counter returns: without an allow list, every request is counted. */
type Counted = Exclude<Awaited<ReturnType<ReturnType<CreateCounter>>>, { isAllowed: true }>

/** Registers the plugin with a store of its own. */
async function createCounters(app: FastifyInstance, store: RateLimitPluginOptions): Promise<CreateCounter> {
  let create: CreateCounter | undefined
  await app.register(async (scope) => {
    await scope.register(rateLimit, { global: false, ...store })
    create = scope.createRateLimit
  })
  return create as unknown as CreateCounter
}

/** Connects to Redis, where replicas share their counts, with a short timeout for each command. */
async function connectRedis(url: string, app: FastifyInstance) {
  const { Redis } = await import('ioredis')
  const redis = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    connectTimeout: REDIS_TIMEOUT_MS,
    commandTimeout: REDIS_TIMEOUT_MS,
    retryStrategy: () => REDIS_RETRY_MS,
  })
  let lost = false
  const onLost = () => {
    if (!lost) app.log.error('Redis connection lost: each process counts rate limits by itself')
    lost = true
  }
  redis.on('error', onLost).on('close', onLost)
  redis.on('ready', () => {
    if (lost) app.log.info('Redis connection restored: rate limits are shared')
    lost = false
  })
  app.addHook('onClose', async () => {
    redis.off('close', onLost)
    redis.disconnect()
  })
  return redis
}

/** Adds a value to a list header: a response can report two limits. */
function add(reply: FastifyReply, name: string, value: string): void {
  const before = reply.getHeader(name)
  reply.header(name, before ? `${before}, ${value}` : value)
}
