import type { Socket } from 'node:net'
import fp from 'fastify-plugin'
import type { Config } from '../config.ts'
import { createDatabase, type Database } from './database.ts'
import type { Tx } from './transaction.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Allows BULK_TIMEOUT_MS, for work that grows with the user's data. */
    bulk?: true
  }
  interface FastifyInstance {
    database: Database
  }
  interface FastifyRequest {
    /**
     * {@link Database.withUser} with the credential of this request: read only for GET and HEAD, and cancelled when the
     * client disconnects.
     */
    withUser<T>(run: (tx: Tx) => Promise<T>): Promise<T>
  }
}

/** Adds the database to the app, and `withUser` to each request. */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    const database = createDatabase(config)
    app.decorate('database', database)
    // Registers the listener early, before the socket can close.
    app.addHook('onRequest', ({ raw }, _reply, done) => {
      disconnectSignal(raw.socket)
      done()
    })
    app.decorateRequest('withUser', async function (run) {
      const { credential, cost, method, raw, routeOptions } = this
      // The scope of the route: one that creates a token for todos changes no todo.
      const mustBeVerified = config.REQUIRE_VERIFIED_EMAIL && routeOptions.config.scope === 'todos:write'
      const work = mustBeVerified
        ? (tx: Tx) => {
            // In the same round trip: when it fails, the server skips the rest.
            void tx`select app.require_verified_email()`
            return run(tx)
          }
        : run
      const mode = method === 'GET' || method === 'HEAD' ? 'read only' : 'read write'
      const start = performance.now()
      try {
        return await database.withUser(credential, mode, work, {
          cost,
          signal: disconnectSignal(raw.socket),
          ...(routeOptions.config.bulk && { deadline: config.BULK_TIMEOUT_MS }),
        })
      } finally {
        cost.db += performance.now() - start
      }
    })
    app.addHook('onClose', database.close)
  },
  { name: 'database', dependencies: ['request-log'] },
)

const signals = new WeakMap<Socket, AbortSignal>()
/** A signal that is aborted when the socket closes. Node notifies only the first of pipelined requests. */
function disconnectSignal(socket: Socket): AbortSignal {
  const known = signals.get(socket)
  if (known) return known
  const controller = new AbortController()
  signals.set(socket, controller.signal)
  socket.once('close', () => controller.abort())
  return controller.signal
}
