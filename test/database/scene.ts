import type { Test } from 'tap'
import { loadConfig } from '../../src/config.ts'
import { createDatabase, type Database } from '../../src/database/database.ts'
import type { Tx } from '../../src/database/transaction.ts'
import { setUp, signUp, testing } from '../support/app.ts'
import { credentialOf } from '../support/credential-of.ts'
import { until } from '../support/until.ts'

export const listTitles = (tx: Tx) => tx<{ title: string }>`select title from todos`

/** A database, a user of it, and what tests of faults do with them. */
export async function setScene(t: Test) {
  const { app, database } = await setUp(t)
  const user = await signUp(app)
  const credential = credentialOf(user.token)
  const login = new URL(database.url).username
  const list = (opened: Database) => opened.withUser(credential, 'read only', listTitles)

  /** One connection, so that whatever a transaction leaves behind on it meets the next one. */
  function open(env: Record<string, string> = {}) {
    const opened = createDatabase(
      loadConfig({ ...testing, DATABASE_URL: database.url, DATABASE_POOL_SIZE: '1', ...env }),
    )
    t.teardown(opened.close)
    return opened
  }

  /** Checks that the connection still works, and that nothing of the failed transaction is left on it. */
  async function leavesNothing(t: Test, opened: Database) {
    t.same(await list(opened), [])
    const [left] = await opened.withoutUser((tx) => tx<{ id: string | null }>`select app.user_id() as id`)
    t.equal(left?.id, null, 'no user is left on the connection')
    const states = await database.admin<{ state: string }[]>`
      select state from pg_stat_activity where usename = ${login} and datname = current_database()`
    t.notOk(
      states.some(({ state }) => state.startsWith('idle in transaction')),
      'no transaction is open',
    )
  }

  /** Waits until a database with short timeouts serves a request and so has an open connection. */
  const untilServed = (opened: Database) =>
    until('the database serves a request', () =>
      list(opened).then(
        () => true,
        () => false,
      ),
    )

  /** Starts a transaction that holds its connection until it is told to finish. */
  async function hold(opened: Database) {
    let begun = () => {}
    let finish = () => {}
    const isHeld = new Promise<void>((resolve) => (begun = resolve))
    const result = opened.withUser(credential, 'read only', async (tx) => {
      await tx`select 1`
      begun()
      await new Promise<void>((resolve) => (finish = resolve))
      return tx`select 1`
    })
    result.catch(() => {})
    await Promise.race([isHeld, result])
    return { result, finish: () => finish() }
  }

  /** Ends the backends of the API's role that are in a state, and waits until there was one. */
  const terminate = (condition: string) =>
    until(`a backend is terminated whose ${condition}`, async () => {
      const ended = await database.admin.unsafe(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where usename = $1 and datname = current_database() and ${condition}`,
        [login],
      )
      return ended.length > 0
    })

  return { database, user, credential, login, open, list, leavesNothing, untilServed, hold, terminate }
}
