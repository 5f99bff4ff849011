import type { Socket } from 'node:net'
import fp from 'fastify-plugin'
import type { Config } from '../config.ts'
import { createDatabase, type Database } from './database.ts'
import type { Tx } from './transaction.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whether the work grows with the user's data: it may take BULK_TIMEOUT_MS. */
    bulk?: true
  }
  interface FastifyInstance {
    database: Database
  }
  interface FastifyRequest {
    /**
     * {@link Database.withUser} for the user of this request; read only for GET and HEAD. A client that hangs up
     * stops it.
     */
    withUser<T>(run: (tx: Tx) => Promise<T>): Promise<T>
  }
}

/** Decorates the app with the database and each request with `withUser`. */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    const database = createDatabase(config)
    app.decorate('database', database)
    // From the start on, so that no close is missed.
    app.addHook('onRequest', async ({ raw }) => void hangUpOf(raw.socket))
    app.decorateRequest('withUser', async function (run) {
      const { credential, cost, method, raw, routeOptions } = this
      const mode = method === 'GET' || method === 'HEAD' ? 'read only' : 'read write'
      const start = performance.now()
      try {
        const options = {
          signal: hangUpOf(raw.socket),
          ...(routeOptions.config.bulk && { deadline: config.BULK_TIMEOUT_MS }),
        }
        return await database.withUser(credential, mode, (tx) => run(counting(tx, cost)), options)
      } finally {
        cost.db += performance.now() - start
      }
    })
    app.addHook('onClose', database.close)
  },
  { name: 'database', dependencies: ['request-log'] },
)

const hangUps = new WeakMap<Socket, AbortSignal>()
/** Aborted when the connection closes: of pipelined requests, only the first hears of it by its answer. */
function hangUpOf(socket: Socket): AbortSignal {
  const known = hangUps.get(socket)
  if (known) return known
  const controller = new AbortController()
  hangUps.set(socket, controller.signal)
  socket.once('close', () => controller.abort())
  return controller.signal
}

/** The same handle, whose statements are counted. */
const counting = (tx: Tx, cost: { statements: number }): Tx => {
  const counted = (...statement: Parameters<Tx>) => {
    cost.statements++
    return tx(...statement)
  }
  return counted as unknown as Tx
}
