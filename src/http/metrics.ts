import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'
import { promisify } from 'node:util'
import fp from 'fastify-plugin'
import { DatabaseError } from 'pg'
import type { Config } from '../config.ts'
import { problemCodes } from './errors.ts'

/** Upper bounds, in seconds. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const INSUFFICIENT_PRIVILEGE = '42501'

const hash = (text: string) => createHash('sha256').update(text).digest()

/**
 * Serves Prometheus metrics at /metrics on a separate port, when ADMIN_PORT is set, and only with ADMIN_TOKEN when that
 * is set. docs/monitoring.md describes them.
 */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    if (config.ADMIN_PORT === 0) return
    const { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } = await import('prom-client')
    const registry = new Registry()
    const registers = [registry]
    collectDefaultMetrics({ register: registry })

    const duration = new Histogram({
      name: 'http_request_duration_seconds',
      help: 'Time until the response was sent.',
      labelNames: ['method', 'route', 'status'],
      buckets: BUCKETS,
      registers,
    })
    const problems = new Counter({
      name: 'http_problems_total',
      help: 'Problem documents by code.',
      labelNames: ['code'],
      registers,
    })
    // From zero, because Prometheus sees no increase in a counter that begins at one.
    for (const code of problemCodes) problems.inc({ code }, 0)
    app.addHook('onResponse', ({ method, routeOptions, problem }, reply, done) => {
      const labels = { method, route: routeOptions.url ?? 'none', status: reply.statusCode }
      duration.observe(labels, reply.elapsedTime / 1000)
      if (problem) problems.inc({ code: problem })
      done()
    })

    const denied = new Counter({
      name: 'database_denied_writes_total',
      help: 'Statements rejected by row-level security or a missing privilege.',
      registers,
    })
    app.addHook('onError', async (_request, _reply, error) => {
      if (error instanceof DatabaseError && error.code === INSUFFICIENT_PRIVILEGE) denied.inc()
    })

    new Gauge({
      name: 'database_pool_connections',
      help: 'Connections in use and idle, and requests waiting for one.',
      labelNames: ['state'],
      registers,
      collect() {
        for (const [state, count] of Object.entries(app.database.stats())) this.set({ state }, count)
      },
    })
    new Gauge({
      name: 'password_queue_length',
      help: 'Passwords waiting for a worker.',
      registers,
      collect() {
        this.set(app.passwords.waiting())
      },
    })

    new Gauge({
      name: 'http_requests_in_flight',
      help: 'Requests being processed.',
      registers,
      collect() {
        this.set(app.running.size)
      },
    })
    new Gauge({
      name: 'http_connections',
      help: 'Open client connections.',
      registers,
      async collect() {
        this.set(await promisify(app.server.getConnections).call(app.server))
      },
    })

    new Counter({
      name: 'mail_attempts_total',
      help: 'Attempts to send a mail, by outcome.',
      labelNames: ['outcome'],
      registers,
      collect() {
        this.reset()
        for (const [outcome, count] of Object.entries(app.mail.outcomes)) this.inc({ outcome }, count)
      },
    })
    const oldest = new Gauge({
      name: 'mail_queue_oldest_seconds',
      help: 'Age of the oldest mail that waits to be sent.',
      registers,
    })
    new Gauge({
      name: 'mail_queue_length',
      help: 'Mails of all replicas that wait to be sent.',
      registers,
      async collect() {
        // While the database is down the last values stay.
        const queue = await app.mail.count().catch(() => undefined)
        if (queue) this.set(queue.waiting)
        if (queue) oldest.set(queue.oldest_seconds)
      },
    })

    const expected = hash(`Bearer ${config.ADMIN_TOKEN}`)
    const server = createServer(async ({ method, url, headers }, response) => {
      if (method !== 'GET' || url !== '/metrics') return response.writeHead(404).end()
      if (config.ADMIN_TOKEN && !timingSafeEqual(hash(`${headers.authorization}`), expected))
        return response.writeHead(401, { 'www-authenticate': 'Bearer realm="metrics"' }).end()
      response.writeHead(200, { 'content-type': registry.contentType }).end(await registry.metrics())
    })
    app.addHook('onReady', async () => {
      await new Promise<void>((resolve, reject) => {
        const fail = ({ message }: Error) => reject(new Error(`ADMIN_PORT cannot be used: ${message}.`))
        server.once('error', fail).listen(config.ADMIN_PORT, config.ADMIN_HOST, resolve)
      })
    })
    app.addHook('onClose', async () => {
      server.close()
      server.closeAllConnections()
    })
  },
  { name: 'metrics', dependencies: ['database', 'overload', 'passwords', 'mail'] },
)
