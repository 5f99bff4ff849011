import fp from 'fastify-plugin'
import { firstOrNotFound } from '../http/errors.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Deletes expired rows in batches. @returns the number of deleted rows */
    removeExpired(): Promise<number>
  }
}

const INTERVAL_MS = 10 * 60_000
/** Rows per table and statement: few, so that their locks are held briefly. */
const BATCH_SIZE = 500

/** Deletes expired sessions, tokens and trash, old events and changes at startup and every ten minutes; replicas may do so at once. */
export default fp(
  async (app) => {
    app.decorate('removeExpired', async () => {
      const removeBatch = () =>
        app.database.withoutUser(
          (tx) => tx<{ removed: number }>`
            select app.remove_expired(${BATCH_SIZE}) + app.remove_trash(${BATCH_SIZE}) + app.remove_changes(${BATCH_SIZE}) as removed`,
        )
      let total = 0
      for (let removed = 1; removed > 0; total += removed)
        removed = firstOrNotFound(await removeBatch()).removed
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
