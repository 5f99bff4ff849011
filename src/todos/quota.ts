import fp from 'fastify-plugin'
import type { Config } from '../config.ts'
import type { Tx } from '../database/transaction.ts'
import { checkTodoQuota } from './sql.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Sends the check that a user may create so many todos more, when it is due: a statement before the others, in the
     * same round trip, that violates todos_quota.
     */
    checkTodoQuota(tx: Tx, userId: string, added: number): void
  }
}

/** Users whose allowance is remembered. */
const MAX_USERS = 20_000
/** Milliseconds. */
const MAX_AGE = 10 * 60_000
/** Of the todos that are left to a user, the share that is created without counting again: several processes do so. */
const SHARE = 0.1

/**
 * Limits the number of todos per user. Counting them takes time in proportion to their number, so a process counts a
 * user's todos when it first creates one, and then only once a tenth of what was left has been created, or ten minutes
 * have passed. Near the limit each creation counts.
 */
export default fp<{ config: Config; now: () => number }>(
  async (app, { config: { MAX_TODOS }, now }) => {
    const allowances = new Map<string, { left: number; until: number }>()

    app.decorate('checkTodoQuota', (tx, userId, added) => {
      const known = allowances.get(userId)
      if (known && known.left >= added && now() < known.until) {
        known.left -= added
        return
      }
      checkTodoQuota(tx, added, MAX_TODOS).then(
        ([row]) => remember(userId, Math.floor(Number(row?.remaining) * SHARE)),
        () => {},
      )
    })

    function remember(userId: string, left: number): void {
      allowances.delete(userId)
      allowances.set(userId, { left, until: now() + MAX_AGE })
      // A map keeps the order of insertion: the first one was counted longest ago.
      const [oldest = ''] = allowances.size > MAX_USERS ? allowances.keys() : []
      allowances.delete(oldest)
    }
  },
  { name: 'todo-quota', dependencies: ['database'] },
)
