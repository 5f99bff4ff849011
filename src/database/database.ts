import { setTimeout } from 'node:timers/promises'
import type { Config } from '../config.ts'
import { firstOrNotFound, insufficientScope, unauthorized, unknownOutcome } from '../http/errors.ts'
import type { Scope } from '../http/schemas.ts'
import type { Connection } from './connection.ts'
import { isOutcomeUnknown, isTransient } from './errors.ts'
import { type BorrowOptions, createPool, type Pool } from './pool.ts'
import { openTransaction, type TransactionOptions, type Tx } from './transaction.ts'

/** The user and the secret that a bearer token names; the database decides whether they are still valid. */
export interface Credential {
  user_id: string
  /** The session of an access token; null for a personal access token. */
  session_id: string | null
  /** The secret of the session or the personal access token. */
  secret: Buffer
  /** The scopes that the request requires. */
  scopes?: readonly Scope[]
}

type Mode = 'read only' | 'read write'
type Run<T> = (tx: Tx) => Promise<T>
export type UserOptions = Omit<BorrowOptions, 'user'> & Pick<TransactionOptions, 'cost'>

export interface Database {
  /**
   * Runs SQL as a user, in one transaction that row-level security limits to that user's rows. It takes one round trip
   * when `run` returns the promise of its last statement, otherwise one more. `run` is called a second time after a
   * failure that was not its own, such as a deadlock.
   * @param options with a deadline in milliseconds, each statement may take that long too
   * @throws {ApiError} revoked_token (401); insufficient_scope (403); overloaded or unavailable (503)
   */
  withUser<T>(credential: Credential, mode: Mode, run: Run<T>, options?: UserOptions): Promise<T>
  /**
   * Runs one statement without a user: policies hide every row, and only definer functions can read any.
   * @throws {ApiError} overloaded or unavailable (503)
   */
  withoutUser<T>(run: Run<T>): Promise<T>
  stats: Pool['stats']
  /** Whether statements on users' content name their shard. */
  readonly sharded: boolean
  /** Waits for running transactions, then closes every connection. */
  close(): Promise<void>
}

/** Creates the only access to the database. */
export function createDatabase(config: Config): Database {
  const pool = createPool(config)

  const withoutUser: Database['withoutUser'] = (run) =>
    pool.borrow((connection) => withRetry(() => runWithoutUser(connection, run)))

  const withUser: Database['withUser'] = (credential, mode, run, options) =>
    pool.borrow(
      (connection) => withRetry(() => runAsUser(connection, credential, mode, run, recordUse, options)),
      { ...options, user: credential.user_id },
    )

  const recording = new Set<string>()
  /** Updates the credential's time of last use, in the background; a failure does not matter. */
  function recordUse({ user_id, session_id, secret }: Credential): void {
    const key = secret.toString('base64')
    if (recording.has(key)) return
    recording.add(key)
    withUser({ user_id, session_id, secret }, 'read write', (tx) => tx`select app.note_use()`)
      .catch(() => {})
      .finally(() => recording.delete(key))
  }

  return { withUser, withoutUser, stats: pool.stats, sharded: config.DATABASE_SHARDED, close: pool.close }
}

const RETRY_DELAY_MS = 50
/** Runs a transaction again, once, when PostgreSQL rolled it back for a reason outside it. */
async function withRetry<T>(transaction: () => Promise<T>): Promise<T> {
  try {
    return await transaction()
  } catch (error) {
    if (!isTransient(error)) throw error
    // Let the transaction that won go on first, or both would meet again.
    await setTimeout(RETRY_DELAY_MS)
    return transaction()
  }
}

async function runWithoutUser<T>(connection: Connection, run: Run<T>): Promise<T> {
  const { tx, flush, settle, revoke } = openTransaction(connection)
  try {
    const work = callAsync(run, tx)
    flush()
    await Promise.allSettled([work])
    await settle()
    return await work
  } finally {
    revoke()
  }
}

async function runAsUser<T>(
  connection: Connection,
  credential: Credential,
  mode: Mode,
  run: Run<T>,
  recordUse: (credential: Credential) => void,
  { deadline, ...options }: UserOptions = {},
): Promise<T> {
  const { user_id, session_id, secret, scopes: needed = [] } = credential
  const transaction = openTransaction(connection, { ...options, user_id })
  const { tx, send, end } = transaction
  // The first attempt may have set it.
  connection.committing = false
  const commit = () => {
    connection.committing = mode === 'read write'
    return end('commit')
  }
  try {
    transaction.begin(mode === 'read only' ? 'begin read only' : 'begin')
    if (deadline) send`select set_config('statement_timeout', ${deadline}, true)`
    const authenticated = send<{ scopes: Scope[] | null; use_is_due: boolean | null }>`
      select scopes, use_is_due from app.authenticate(${user_id}, ${session_id}, ${secret})`
    const work = callAsync(run, tx)
    // A run that returns the result of its last statement sends nothing more: the commit can go with it.
    const committed = transaction.isLastResult(work) ? commit() : undefined
    committed?.catch(() => {})
    transaction.flush()
    const ofCommit = (reason: unknown) =>
      mode === 'read write' && isOutcomeUnknown(reason) ? unknownOutcome(reason) : reason
    // After a failure the server skips the rest of the batch, including the commit.
    const rollBack = async (reason: unknown) => {
      await end('rollback')
      throw ofCommit(reason)
    }

    // Wait for every statement, so that the transaction is over when the connection is returned.
    // If begin fails, so does the authentication after it.
    const outcomes = await Promise.allSettled([authenticated, work])
    const failed = outcomes.find((outcome) => outcome.status === 'rejected')
    const tag = await (failed ? end('rollback') : (committed ?? commit()).catch(rollBack))
    // Check the credential first: without a user RLS hides every row, so the result of the work is meaningless. A
    // write without the scope has already been rejected by the policies.
    const [credentialCheck] = outcomes
    if (credentialCheck.status === 'fulfilled') {
      const { scopes, use_is_due } = firstOrNotFound(credentialCheck.value)
      if (!scopes) throw unauthorized('revoked_token')
      if (use_is_due) recordUse(credential)
      if (!needed.every((scope) => scopes.includes(scope))) throw insufficientScope(needed)
    }
    // When the commit fails, there is no transaction any more, and all that was sent with it is rejected.
    if (failed) throw committed && outcomes[0].status === 'rejected' ? ofCommit(failed.reason) : failed.reason
    // The commit of a failed transaction is a ROLLBACK (PostgreSQL manual, COMMIT). This happens when the work ignored the
    // failure of one of its statements.
    if (tag !== 'COMMIT') throw new Error('The transaction was rolled back')
    return await work
  } finally {
    transaction.revoke()
  }
}

/** Calls an asynchronous function; what it throws synchronously becomes a rejection, too. */
function callAsync<T>(run: Run<T>, tx: Tx): Promise<T> {
  try {
    return run(tx)
  } catch (error) {
    return Promise.reject(error)
  }
}
