import fp from 'fastify-plugin'
import { firstOrNotFound } from '../http/errors.ts'
import type { Tx } from './transaction.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Deletes expired rows, and what is left of deleted accounts, in batches. @returns the number of deleted rows */
    removeExpired(): Promise<number>
  }
}

const INTERVAL_MS = 10 * 60_000
/** Rows per table and statement: few, so that their locks are held briefly. */
const BATCH_SIZE = 500

type Removal = (tx: Tx) => Promise<{ removed: number }[]>
const removals: Removal[] = [
  (tx) => tx`select app.remove_expired(${BATCH_SIZE}) as removed`,
  (tx) => tx`select app.remove_trash(${BATCH_SIZE}) as removed`,
  (tx) => tx`select app.remove_changes(${BATCH_SIZE}) as removed`,
  (tx) => tx`select app.remove_orphans(${BATCH_SIZE}) as removed`,
]

/** Deletes expired sessions, tokens and trash, old events, changes and orphans at startup and every ten minutes; replicas may do so at once. */
export default fp(
  async (app) => {
    app.decorate('removeExpired', async () => {
      let total = 0
      for (const removal of removals)
        for (let removed = 1; removed > 0; total += removed)
          removed = firstOrNotFound(await app.database.withoutUser(removal)).removed
      return total
    })

    let timer: NodeJS.Timeout | undefined
    const run = () =>
      app.removeExpired().then(
        (removed) => removed > 0 && app.log.info({ removed }, 'expired rows removed'),
        (error) => app.log.warn({ err: error }, 'expired rows could not be removed'),
      )
    app.addHook('onListen', async () => {
      timer = setInterval(run, INTERVAL_MS).unref()
      run()
    })
    app.addHook('onClose', async () => clearInterval(timer))
  },
  { name: 'cleanup', dependencies: ['database'] },
)
