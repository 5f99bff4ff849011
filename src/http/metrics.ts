import { createServer } from 'node:http'
import { promisify } from 'node:util'
import fp from 'fastify-plugin'
import { DatabaseError } from 'pg'
import type { Config } from '../config.ts'

/** Upper bounds, in seconds. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const INSUFFICIENT_PRIVILEGE = '42501'

/** Serves Prometheus metrics at /metrics on a separate port, when ADMIN_PORT is set. docs/operations.md describes them. */
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

    const server = createServer(async ({ method, url }, response) => {
      if (method !== 'GET' || url !== '/metrics') return response.writeHead(404).end()
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
  { name: 'metrics', dependencies: ['database', 'overload', 'passwords'] },
)
