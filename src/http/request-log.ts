import fp from 'fastify-plugin'
import type { Config } from '../config.ts'
import type { ProblemCode } from './errors.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** What the request has cost: milliseconds, and statements of the handler. */
    cost: { auth: number; db: number; statements: number }
    /** The code of the problem document that it was answered with. */
    problem: ProblemCode | undefined
    /** What caused a 5xx, in a few words for the log. */
    cause: string | undefined
  }
}

const toMs = (milliseconds: number) => Math.round(milliseconds * 10) / 10

/** One line in the log for each request, with no token, password or body; and Server-Timing while debugging. */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    app.decorateRequest('cost')
    app.decorateRequest('problem')
    app.decorateRequest('cause')
    app.addHook('onRequest', async (request) => {
      request.cost = { auth: 0, db: 0, statements: 0 }
    })
    // The header of the specification Server-Timing (W3C). It tells about the inside, so only then.
    if (config.LOG_LEVEL === 'debug')
      app.addHook('onSend', async ({ cost }, reply) => {
        const times = { auth: cost.auth, db: cost.db, total: reply.elapsedTime }
        const entries = Object.entries(times).map(([name, time]) => `${name};dur=${toMs(time)}`)
        reply.header('server-timing', entries.join(', '))
      })
    app.addHook(
      'onResponse',
      async ({ method, routeOptions, credential, cost, problem, cause, log }, reply) => {
        const line = {
          method,
          route: routeOptions.url ?? 'none',
          status: reply.statusCode,
          code: problem,
          cause,
          user_id: credential?.user_id,
          statements: cost.statements,
          db_ms: toMs(cost.db),
          ms: toMs(reply.elapsedTime),
        }
        // One line, and no stack: while the database is away there may be thousands a second.
        log[reply.statusCode >= 500 ? 'error' : 'info'](line, 'request')
      },
    )
  },
  { name: 'request-log' },
)
