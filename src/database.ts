import postgres from 'postgres'
import { unauthorized, unavailable } from './errors.ts'
import { type Connection, createPool, type PoolOptions } from './pool.ts'

declare const brand: unique symbol
/**
 * The only way to send SQL: a tagged template that sends its statement at once, parameters bound.
 * It exists inside `withUser` (or `withoutUser`) and throws once that has ended.
 */
export interface Tx {
  <Row extends object>(
    strings: TemplateStringsArray,
    ...values: readonly Value[]
  ): Promise<postgres.RowList<Row[]>>
  readonly [brand]: true
}
type Value = string | number | boolean | null | Date | readonly string[] | object

/** Who the access token says is asking; the database decides whether that is still so. */
export interface Credential {
  user_id: string
  session_id: string
}

export interface Database {
  /**
   * Runs SQL as a user, in one transaction that row-level security confines to that user's rows.
   * When `run` returns the statement it sent, begin, authentication, statement and commit travel
   * together: one round trip. A `run` that awaits a result first costs one more.
   * @throws {ApiError} revoked_token (401) when the session is not alive; overloaded or unavailable (503)
   */
  withUser<T>(
    credential: Credential,
    mode: 'read only' | 'read write',
    run: (tx: Tx) => Promise<T>,
  ): Promise<T>
  /** Runs one statement as nobody: policies hide every row, only definer functions reach users. */
  withoutUser<T>(run: (tx: Tx) => Promise<T>): Promise<T>
  /** Waits for running transactions, then closes every connection. */
  close(): Promise<void>
}

/** The door to the database; see {@link Database}. */
export function createDatabase(options: PoolOptions): Database {
  const pool = createPool(options)
  return {
    withUser: (credential, mode, run) =>
      pool.borrow((connection) => asUser(connection, credential, mode, run)),
    withoutUser: (run) =>
      pool.borrow((connection) => {
        const { tx, end } = openTx(connection)
        return attempt(run, tx).finally(end)
      }),
    close: pool.close,
  }
}

function openTx(connection: Connection) {
  let ended = false
  let last: Promise<unknown> | undefined
  const tx = (strings: TemplateStringsArray, ...values: readonly Value[]) => {
    if (ended) throw new Error('This transaction has ended')
    if (!connection.alive) throw unavailable()
    const statement = connection.sql(strings, ...(values as never[])).execute()
    // Only an error that the server sent leaves the two sides in step. After any other nobody knows
    // which answer belongs to which statement, so the connection is given up.
    statement.catch((error) => error instanceof postgres.PostgresError || connection.destroy())
    last = statement
    return statement
  }
  const end = () => {
    ended = true
  }
  return { tx: tx as unknown as Tx, isLast: (promise: unknown) => promise === last, end }
}

async function asUser<T>(
  connection: Connection,
  { user_id, session_id }: Credential,
  mode: 'read only' | 'read write',
  run: (tx: Tx) => Promise<T>,
): Promise<T> {
  const { tx, isLast, end } = openTx(connection)
  try {
    const begin = mode === 'read only' ? tx`begin read only` : tx`begin`
    const session = tx<{
      scopes: string[] | null
    }>`select app.authenticate(${user_id}, ${session_id}) as scopes`
    const work = attempt(run, tx)
    const commit = isLast(work) ? tx`commit` : undefined

    // All that was sent is waited for, so that the connection is free and the transaction over afterwards.
    const outcomes = await Promise.allSettled([begin, session, work])
    const failed = outcomes.find((outcome) => outcome.status === 'rejected')
    // The commit of a failed transaction is a rollback (PostgreSQL manual, COMMIT).
    await (commit ?? (failed ? tx`rollback` : tx`commit`))
    // Asked first: what the work found without a user says nothing.
    if (outcomes[1].status === 'fulfilled' && !outcomes[1].value[0]?.scopes)
      throw unauthorized('revoked_token')
    if (failed) throw failed.reason
    return await work
  } finally {
    end()
  }
}

function attempt<T>(run: (tx: Tx) => Promise<T>, tx: Tx): Promise<T> {
  try {
    return run(tx)
  } catch (error) {
    return Promise.reject(error)
  }
}
