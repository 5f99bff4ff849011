import { randomUUID } from 'node:crypto'
import Fastify, { type FastifyInstance, type FastifyPluginAsync, LogController } from 'fastify'
import account from './account/routes.ts'
import auth from './auth/routes.ts'
import type { Config } from './config.ts'
import authenticate from './credentials/authenticate.ts'
import jwt from './credentials/jwt.ts'
import passwords from './credentials/passwords.ts'
import cleanup from './database/cleanup.ts'
import database from './database/plugin.ts'
import basePath from './http/base-path.ts'
import { handleParserError } from './http/broken-requests.ts'
import { trustProxies } from './http/client-address.ts'
import connections from './http/connections.ts'
import content from './http/content.ts'
import contract from './http/contract.ts'
import features from './http/features.ts'
import headers from './http/headers.ts'
import idempotency from './http/idempotency.ts'
import metrics from './http/metrics.ts'
import negotiation from './http/negotiation.ts'
import overload from './http/overload.ts'
import { handleErrors } from './http/problems.ts'
import rateLimits from './http/rate-limits.ts'
import requestLog from './http/request-log.ts'
import routing, { normalizeTarget } from './http/routing.ts'
import { createSchemaController } from './http/validation.ts'
import mail from './mail/plugin.ts'
import type { TransportOptions } from './mail/transport.ts'
import openapi from './openapi/plugin.ts'
import problemRoutes from './problems/routes.ts'
import recovery from './recovery/routes.ts'
import service from './service/routes.ts'
import batch from './todos/batch.ts'
import lists from './todos/list-routes.ts'
import todoQuota from './todos/quota.ts'
import todos from './todos/routes.ts'
import sync from './todos/sync-routes.ts'
import trash from './todos/trash-routes.ts'
import tokens from './tokens/routes.ts'
import totp from './totp/routes.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Whether the service is shutting down: `/ready` returns 503, and each response closes its connection. */
    shuttingDown: boolean
  }
}

const REQUEST_ID = /^[\w.-]{1,100}$/

export interface AppOptions {
  /** The clock for the times of access tokens, in milliseconds since 1970. */
  now?: () => number
  /** The destination of the log, instead of the standard output. */
  logTo?: NodeJS.WritableStream
  /** How to reach the mail server, beside MAIL_URL. */
  mailTransport?: TransportOptions
  /** Further routes, registered last. */
  more?: FastifyPluginAsync
}

/** Builds the API, ready to listen or to be tested with `inject`. */
export async function buildApp(
  config: Config,
  { now = Date.now, logTo = process.stdout, mailTransport = {}, more }: AppOptions = {},
): Promise<FastifyInstance> {
  const app: FastifyInstance = Fastify({
    logger: { level: config.LOG_LEVEL, stream: logTo },
    // http/request-log.ts writes one line per request instead.
    logController: new LogController({ disableRequestLogging: true }),
    trustProxy: trustProxies(config.TRUST_PROXY),
    // Use the client's id if it is well-formed, so that its log and ours can be correlated.
    genReqId: ({ headers }) => {
      const given = headers['x-request-id']
      return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID()
    },
    // Fits the largest todo with every character escaped.
    bodyLimit: 256 * 1024,
    http: {
      headersTimeout: config.HEADERS_TIMEOUT_MS,
      // Timeouts are enforced with this precision.
      connectionsCheckingInterval: 1000,
      // http/connections.ts checks it, and returns a problem document.
      requireHostHeader: false,
    },
    requestTimeout: config.REQUEST_TIMEOUT_MS,
    keepAliveTimeout: config.KEEP_ALIVE_TIMEOUT_MS,
    connectionTimeout: config.STALL_TIMEOUT_MS,
    // Invalid targets and long parameters are routed, too, so that every response passes through the same hooks.
    rewriteUrl: normalizeTarget,
    routerOptions: { maxParamLength: 1_000_000 },
    clientErrorHandler: (error, socket) => handleParserError(app, error, socket),
    schemaController: createSchemaController(),
    // Keep-alive requests are still served while closing; see `shuttingDown`.
    return503OnClosing: false,
  })

  handleErrors(app, config.BASE_PATH)
  app.decorate('shuttingDown', false)
  app.addHook('preClose', async () => {
    app.shuttingDown = true
  })
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (app.shuttingDown) reply.header('connection', 'close')
    done()
  })

  await app.register(features)
  // For every request, in the order in which their hooks run.
  await app.register(requestLog, { config })
  await app.register(headers, { config })
  await app.register(basePath, { config })
  await app.register(rateLimits, { config })
  await app.register(connections, { config })
  await app.register(routing)
  await app.register(negotiation)
  await app.register(content)
  await app.register(contract)
  await app.register(overload, { config })

  // For handlers.
  await app.register(database, { config })
  await app.register(cleanup)
  await app.register(jwt, { config, now })
  await app.register(authenticate)
  await app.register(passwords, { config })
  await app.register(idempotency, { config })
  await app.register(mail, { config, transport: mailTransport })
  await app.register(metrics, { config })
  await app.register(openapi, { config })

  // Features.
  await app.register(auth, { config, now })
  await app.register(lists, { config })
  await app.register(todoQuota, { config, now })
  await app.register(todos, { config })
  await app.register(batch, { config })
  await app.register(trash, { config })
  await app.register(sync, { config, now })
  await app.register(tokens)
  await app.register(totp, { config, now })
  // After the features whose rows it exports.
  await app.register(account, { config })
  await app.register(recovery, { config })
  await app.register(problemRoutes, { config })
  await app.register(service, { config, now })
  if (more) await app.register(more)

  try {
    await app.ready()
    return app
  } catch (error) {
    await app.close()
    throw error
  }
}
