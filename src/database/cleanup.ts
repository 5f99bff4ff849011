import fp from 'fastify-plugin'
import { firstOrNotFound } from '../http/errors.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Removes what has expired, batch by batch, and answers how many rows there were. */
    removeExpired(): Promise<number>
  }
}

const INTERVAL_MS = 10 * 60_000
/** Rows of each kind that one statement removes: few, so that nobody waits for its locks. */
const BATCH = 500

/** Removes expired sessions, tokens and old events, at the start and every ten minutes, on any number of replicas. */
export default fp(
  async (app) => {
    app.decorate('removeExpired', async () => {
      const removeBatch = () =>
        app.database.withoutUser(
          (tx) => tx<{ removed: number }>`select app.remove_expired(${BATCH}) as removed`,
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
