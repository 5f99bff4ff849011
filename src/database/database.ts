import type { Config } from '../config.ts'
import { firstOrNotFound, insufficientScope, unauthorized } from '../http/errors.ts'
import type { Scope } from '../http/schemas.ts'
import type { Connection } from './connection.ts'
import { isTransient } from './errors.ts'
import { type BorrowOptions, createPool, type Pool } from './pool.ts'
import { openTx, type Tx } from './transaction.ts'

/** Who the token says is asking; the database decides whether that is still so. */
export interface Credential {
  user_id: string
  /** The session of an access token; null with a personal access token. */
  session_id: string | null
  /** Of the session or the personal access token. */
  secret: Buffer
  /** What the request needs to be allowed. */
  scopes?: readonly Scope[]
}

export interface Database {
  /**
   * Runs SQL as a user, in one transaction that row-level security confines to that user's rows.
   * When `run` returns the statement it sent, begin, authentication, statement and commit travel
   * together: one round trip. A `run` that awaits a result first costs one more. It runs a second time when
   * PostgreSQL rolled the first one back through no fault of its own.
   * @param options with a deadline, in milliseconds, the statements too may take that long
   * @throws {ApiError} revoked_token (401) when the credential is not alive; insufficient_scope (403);
   *   overloaded or unavailable (503)
   */
  withUser<T>(
    credential: Credential,
    mode: 'read only' | 'read write',
    run: (tx: Tx) => Promise<T>,
    options?: Omit<BorrowOptions, 'user'>,
  ): Promise<T>
  /** Runs one statement as nobody: policies hide every row, only definer functions reach users. */
  withoutUser<T>(run: (tx: Tx) => Promise<T>): Promise<T>
  stats: Pool['stats']
  /** Waits for running transactions, then closes every connection. */
  close(): Promise<void>
}

/** The door to the database; see {@link Database}. */
export function createDatabase(config: Config): Database {
  const pool = createPool(config)
  const withoutUser = <T>(run: (tx: Tx) => Promise<T>) =>
    pool.borrow((connection) => withRetry(() => asNobody(connection, run)))

  const noting = new Set<string>()
  /** Not waited for, and not tried again: a time of last use is worth no request. */
  function noteUse({ user_id, session_id, secret }: Credential): void {
    const key = secret.toString('base64')
    if (noting.has(key)) return
    noting.add(key)
    withUser({ user_id, session_id, secret }, 'read write', (tx) => tx`select app.note_use()`)
      .catch(() => {})
      .finally(() => noting.delete(key))
  }

  const withUser: Database['withUser'] = (credential, mode, run, options) =>
    pool.borrow(
      (connection) => withRetry(() => asUser(connection, credential, mode, run, noteUse, options)),
      { ...options, user: credential.user_id },
    )

  return {
    withUser,
    withoutUser,
    stats: pool.stats,
    close: pool.close,
  }
}

/** Runs a transaction, and once more after a failure through no fault of its own. */
async function withRetry<T>(transaction: () => Promise<T>): Promise<T> {
  try {
    return await transaction()
  } catch (error) {
    if (!isTransient(error)) throw error
    return transaction()
  }
}

async function asNobody<T>(connection: Connection, run: (tx: Tx) => Promise<T>): Promise<T> {
  const { tx, flush, settle, revoke } = openTx(connection)
  try {
    const work = attempt(run, tx)
    flush()
    await Promise.allSettled([work])
    await settle()
    return await work
  } finally {
    revoke()
  }
}

async function asUser<T>(
  connection: Connection,
  credential: Credential,
  mode: 'read only' | 'read write',
  run: (tx: Tx) => Promise<T>,
  noteUse: (credential: Credential) => void,
  { deadline }: BorrowOptions = {},
): Promise<T> {
  const { user_id, session_id, secret, scopes: needed = [] } = credential
  const { tx, begin, flush, end, isLast, revoke } = openTx(connection, user_id)
  // A first run may have left it.
  connection.committing = false
  const commit = () => {
    connection.committing = mode === 'read write'
    return end('commit')
  }
  try {
    const begun = begin(mode === 'read only' ? 'begin read only' : 'begin')
    if (deadline) tx`select set_config('statement_timeout', ${deadline}, true)`
    const authenticated = tx<{ scopes: Scope[] | null; use_is_due: boolean | null }>`
      select scopes, use_is_due from app.authenticate(${user_id}, ${session_id}, ${secret})`
    const work = attempt(run, tx)
    const committed = isLast(work) ? commit() : undefined
    committed?.catch(() => {})
    flush()
    // A statement that fails takes with it all that were sent together with it after it, the commit too.
    const rollBack = async (reason: unknown) => {
      await end('rollback')
      throw reason
    }

    // All that was sent is waited for, so that the connection is free and the transaction over afterwards.
    const outcomes = await Promise.allSettled([begun, authenticated, work])
    const failed = outcomes.find((outcome) => outcome.status === 'rejected')
    const tag = await (failed ? end('rollback') : (committed ?? commit()).catch(rollBack))
    // Asked first: what the work found without a user, or without the scope, says nothing. A write without
    // the scope has been sent by now, and refused by the policies.
    if (outcomes[1].status === 'fulfilled') {
      const { scopes, use_is_due } = firstOrNotFound(outcomes[1].value)
      if (!scopes) throw unauthorized('revoked_token')
      if (use_is_due) noteUse(credential)
      if (!needed.every((scope) => scopes.includes(scope))) throw insufficientScope(needed)
    }
    if (failed) throw failed.reason
    // The commit of a failed transaction is a rollback (PostgreSQL manual, COMMIT): nothing that a
    // statement undid, whose failure the work did not look at, is ever told as done.
    if (tag !== 'COMMIT') throw new Error('The transaction was rolled back')
    return await work
  } finally {
    revoke()
  }
}

function attempt<T>(run: (tx: Tx) => Promise<T>, tx: Tx): Promise<T> {
  try {
    return run(tx)
  } catch (error) {
    return Promise.reject(error)
  }
}
