import { createHash } from 'node:crypto'
import { readColumns, readError, readRow, readTag, Type } from './backend-messages.ts'
import { isPreparedStale } from './errors.ts'
import { encodeBatch } from './frontend-messages.ts'
import type { Prepared, Statement } from './statement.ts'

/** A connection's prepared statements by SQL text. */
export type PreparedStatements = Map<string, Prepared>

const CONTROL_TAG = /^(BEGIN|START TRANSACTION|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|PREPARE TRANSACTION)/
/** Messages that only confirm a step. */
const EXPECTED = new Set<number>([Type.parseComplete, Type.bindComplete, Type.closeComplete, Type.noData])

/**
 * A batch of statements that ends with one Sync: it takes one round trip, and after a failure the server skips the rest
 * (PostgreSQL manual, 54.2.3 and 54.2.4). Results are held until ReadyForQuery, because outside a transaction block the server commits only then.
 */
export class Pipeline {
  readonly #statements: readonly Statement[]
  readonly #prepared: PreparedStatements | undefined
  readonly #onBroken: (reason: Error) => void
  /** The number of statements that the server has completed. */
  #completed = 0
  #error: Error | undefined

  /**
   * @param prepared the connection's prepared statements; undefined when statements must not be prepared
   * @param onBroken called after an unexpected message: the connection must not be used again
   */
  constructor(
    statements: readonly Statement[],
    prepared: PreparedStatements | undefined,
    onBroken: (reason: Error) => void,
  ) {
    this.#statements = statements
    this.#prepared = prepared
    this.#onBroken = onBroken
  }

  /** The messages that send the batch. */
  encode(): Buffer {
    return encodeBatch(
      this.#statements.map((statement) => {
        const { name, columns } = this.#prepare(statement)
        return { name, text: columns ? undefined : statement.text, values: statement.values }
      }),
    )
  }

  #prepare(statement: Statement): Prepared {
    if (this.#prepared && statement.preparable) {
      statement.prepared = this.#prepared.get(statement.text) ?? { name: nameOf(statement.text) }
      this.#prepared.set(statement.text, statement.prepared)
    }
    return statement.prepared
  }

  /** Applies a message to the current statement. Never throws: an exception here would end the process. */
  receive(type: number, bytes: Buffer, start: number, end: number): void {
    const statement = this.#statements[this.#completed]
    try {
      // After an error the server sends nothing until it is ready.
      if (type === Type.error && !this.#error) this.#error = readError(bytes, start, end)
      else if (!statement || this.#error || !this.#apply(statement, type, bytes, start, end))
        this.#onBroken(
          new Error(`PostgreSQL sent an unexpected message of type ${String.fromCharCode(type)}`),
        )
    } catch (cause) {
      this.#onBroken(new Error('PostgreSQL sent a malformed message', { cause }))
    }
  }

  /** Returns whether the message was expected. */
  #apply(statement: Statement, type: number, bytes: Buffer, start: number, end: number): boolean {
    const { prepared, rows } = statement
    switch (type) {
      case Type.dataRow:
        rows.push(readRow(prepared.columns ?? [], bytes, start))
        return true
      case Type.commandComplete:
        prepared.columns ??= []
        statement.tag = readTag(bytes, start, end)
        this.#completed++
        return statement.isControl === CONTROL_TAG.test(statement.tag)
      case Type.rowDescription:
        prepared.columns = readColumns(bytes, start)
        return true
      default:
        return EXPECTED.has(type)
    }
  }

  /**
   * Settles the statements when the server is ready for the next pipeline.
   * @param inTransaction whether a transaction block is open or has failed
   */
  finish(inTransaction: boolean): void {
    if (!this.#error && this.#completed < this.#statements.length)
      return void this.#onBroken(new Error('PostgreSQL sent an unexpected ReadyForQuery'))
    // Outside a transaction block an error rolls back the whole pipeline.
    const successful = this.#error && !inTransaction ? 0 : this.#completed
    for (const { resolve, rows } of this.#statements.slice(0, successful)) resolve(rows)
    // The server may not have parsed these.
    for (const { prepared } of this.#statements.slice(this.#completed)) prepared.columns = undefined
    if (isPreparedStale(this.#error)) this.#prepared?.clear()
    for (const { reject } of this.#statements.slice(successful)) reject(this.#error)
  }

  /** Settles the statements when the connection is lost. */
  fail(reason: Error): void {
    for (const { reject } of this.#statements) reject(reason)
  }
}

/** The name is a hash of the SQL: behind a pooler it may be unknown, but never means other SQL. */
const nameOf = (text: string) => createHash('sha256').update(text).digest('base64url')
