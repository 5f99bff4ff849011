import fp from 'fastify-plugin'
import type { Config } from '../config.ts'
import { clientAddress } from './client-address.ts'
import type { ProblemCode } from './errors.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The cost of the request: milliseconds in authentication and database, and the handler's statements. */
    cost: { auth: number; db: number; statements: number }
    /** The code of the problem document, if the response is one. */
    problem: ProblemCode | undefined
    /** The cause of a 5xx, for the log. */
    cause: string | undefined
  }
}

const toMs = (milliseconds: number) => Math.round(milliseconds * 10) / 10

/** Writes one log line per request, without tokens, passwords or bodies; adds Server-Timing when debugging. */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    app.decorateRequest('cost')
    app.decorateRequest('problem')
    app.decorateRequest('cause')
    app.addHook('onRequest', (request, _reply, done) => {
      request.cost = { auth: 0, db: 0, statements: 0 }
      done()
    })
    // Server-Timing (W3C) exposes internals, so only when debugging.
    if (config.LOG_LEVEL === 'debug')
      app.addHook('onSend', ({ cost }, reply, _payload, done) => {
        const times = { auth: cost.auth, db: cost.db, total: reply.elapsedTime }
        const entries = Object.entries(times).map(([name, time]) => `${name};dur=${toMs(time)}`)
        reply.header('server-timing', entries.join(', '))
        done()
      })
    app.addHook('onResponse', (request, reply, done) => {
      const { method, routeOptions, credential, cost, problem, cause, log } = request
      const line = {
        // Failed logins of unknown emails are nowhere else.
        ip: clientAddress(request),
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
      // Without a stack: while the database is down there can be thousands of lines per second.
      log[reply.statusCode >= 500 ? 'error' : 'info'](line, 'request')
      done()
    })
  },
  { name: 'request-log' },
)
