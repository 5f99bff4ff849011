import Fastify, { type FastifyInstance, LogController } from 'fastify'
import { v7 as uuidv7 } from 'uuid'
import account from './account/routes.ts'
import auth from './auth/routes.ts'
import type { Config } from './config.ts'
import authPlugin from './credentials/authenticate.ts'
import passwords from './credentials/passwords.ts'
import cleanup from './database/cleanup.ts'
import database from './database/plugin.ts'
import health from './health/routes.ts'
import basePath from './http/base-path.ts'
import { answerBrokenRequest } from './http/broken-requests.ts'
import { trustProxies } from './http/client-address.ts'
import clients from './http/connections.ts'
import content from './http/content.ts'
import contract from './http/contract.ts'
import features from './http/features.ts'
import headers from './http/headers.ts'
import idempotency from './http/idempotency.ts'
import metrics from './http/metrics.ts'
import negotiation from './http/negotiation.ts'
import overload from './http/overload.ts'
import { handleErrors } from './http/problems.ts'
import limits from './http/rate-limits.ts'
import observability from './http/request-log.ts'
import { normalizeTarget } from './http/request-target.ts'
import routing from './http/routing.ts'
import { createSchemaController } from './http/validation.ts'
import docs from './openapi/plugin.ts'
import root from './root/routes.ts'
import security from './security/routes.ts'
import batch from './todos/batch.ts'
import todos from './todos/routes.ts'
import tokens from './tokens/routes.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Whether it is about to close: it is not ready, and no connection stays open for a next request. */
    leaving: boolean
  }
}

const REQUEST_ID = /^[\w.-]{1,100}$/

export interface AppOptions {
  /** Milliseconds since 1970: the clock that access tokens are made and judged by. */
  now?: () => number
  /** Where the log goes instead of to the standard output. */
  logTo?: NodeJS.WritableStream
}

/** The API, ready to listen or to be injected requests; tests build this very app. */
export async function buildApp(
  config: Config,
  { now = Date.now, logTo = process.stdout }: AppOptions = {},
): Promise<FastifyInstance> {
  const app: FastifyInstance = Fastify({
    logger: { level: config.LOG_LEVEL, stream: logTo },
    // One line per request is enough: see http/request-log.ts.
    logController: new LogController({ disableRequestLogging: true }),
    trustProxy: trustProxies(config.TRUST_PROXY),
    // The client's own id when it is well-formed, so that both sides' logs can be laid side by side.
    genReqId: ({ headers }) => {
      const given = String(headers['x-request-id'] ?? '')
      return REQUEST_ID.test(given) ? given : uuidv7()
    },
    // Todos of the greatest length fit, even when every character is escaped.
    bodyLimit: 256 * 1024,
    // Each is noticed within a second.
    http: {
      headersTimeout: config.HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: 1000,
      // Answered with a problem document: see http/connections.ts.
      requireHostHeader: false,
    },
    requestTimeout: config.REQUEST_TIMEOUT_MS,
    keepAliveTimeout: config.KEEP_ALIVE_TIMEOUT_MS,
    connectionTimeout: config.STALL_TIMEOUT_MS,
    // Targets that the router would refuse by itself are routed too, and long parameters are left to the schemas:
    // every response passes through the same hooks.
    rewriteUrl: normalizeTarget,
    routerOptions: { maxParamLength: 1_000_000 },
    clientErrorHandler: (error, socket) => answerBrokenRequest(app, error, socket),
    schemaController: createSchemaController(),
    // They are answered like any other; see `leaving`.
    return503OnClosing: false,
  })

  handleErrors(app, config.BASE_PATH)
  app.decorate('leaving', false)
  app.addHook('preClose', async () => {
    app.leaving = true
  })
  app.addHook('onSend', async (_request, reply) => {
    if (app.leaving) reply.header('connection', 'close')
  })

  await app.register(features)
  await app.register(observability, { config })
  await app.register(headers, { config })
  await app.register(basePath, { config })
  await app.register(limits, { config })
  await app.register(clients, { config })
  await app.register(routing)
  await app.register(negotiation)
  await app.register(content)
  await app.register(contract)
  await app.register(overload, { config })
  await app.register(database, { config })
  await app.register(cleanup)
  await app.register(authPlugin, { config, now })
  await app.register(passwords, { config })
  await app.register(metrics, { config })
  await app.register(idempotency, { config })
  await app.register(docs, { config })

  await app.register(auth, { config })
  await app.register(todos, { config })
  await app.register(batch)
  await app.register(tokens)
  // After the features whose rows it exports.
  await app.register(account)
  await app.register(health)
  await app.register(root, { config })
  await app.register(security, { config, now })

  try {
    await app.ready()
    return app
  } catch (error) {
    await app.close()
    throw error
  }
}
