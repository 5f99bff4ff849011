import fp from 'fastify-plugin'
import type { Config } from '../config.ts'
import { createDatabase, type Database } from '../database.ts'
import type { PoolOptions } from '../pool.ts'
import type { Tx } from '../tx.ts'

declare module 'fastify' {
  interface FastifyInstance {
    database: Database
  }
  interface FastifyRequest {
    /** {@link Database.withUser} for the user of this request; read only for GET and HEAD. */
    withUser<T>(run: (tx: Tx) => Promise<T>): Promise<T>
  }
}

/** Decorates the app with the database and each request with `withUser`. */
export default fp<{ config: Config; timeouts: PoolOptions['timeouts'] }>(
  async (app, { config, timeouts }) => {
    const database = createDatabase({
      url: config.DATABASE_URL,
      max: config.DATABASE_POOL_SIZE,
      prepare: config.DATABASE_PREPARE,
      timeouts,
    })
    app.decorate('database', database)
    app.decorateRequest('withUser', async function (run) {
      const { credential, cost, method } = this
      const mode = method === 'GET' || method === 'HEAD' ? 'read only' : 'read write'
      const start = performance.now()
      try {
        return await database.withUser(credential, mode, (tx) => run(counting(tx, cost)))
      } finally {
        cost.db += performance.now() - start
      }
    })
    app.addHook('onClose', database.close)
  },
  { name: 'database', dependencies: ['observability'] },
)

/** The same handle, whose statements are counted. */
const counting = (tx: Tx, cost: { statements: number }): Tx => {
  const counted = (...statement: Parameters<Tx>) => {
    cost.statements++
    return tx(...statement)
  }
  return counted as unknown as Tx
}
