import { createHash } from 'node:crypto'
import { DatabaseError, type FieldDef, type Submittable, types, type Connection as Wire } from 'pg'
import { isPreparedStale } from './errors.ts'
import { encodeBatch } from './messages.ts'
import type { Column, Prepared, Statement } from './statement.ts'

/** A connection's prepared statements by SQL text. */
export type PreparedStatements = Map<string, Prepared>

const CONTROL_TAG = /^(BEGIN|START TRANSACTION|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|PREPARE TRANSACTION)/

/**
 * A batch of statements that ends with one Sync: it takes one round trip, and after a failure the server skips the rest
 * (PostgreSQL manual, 54.2.3 and 54.2.4). pg's Client calls the `handle` methods with the server's messages. Results are
 * held until ReadyForQuery, because outside a transaction block the server commits only then.
 */
export class Pipeline implements Submittable {
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

  submit(wire: Wire): void {
    const bound = this.#statements.map((statement) => {
      const { name, columns } = this.#prepare(statement)
      return { name, text: columns ? undefined : statement.text, values: statement.values }
    })
    wire.stream.write(encodeBatch(bound))
  }

  #prepare(statement: Statement): Prepared {
    if (this.#prepared && statement.preparable) {
      statement.prepared = this.#prepared.get(statement.text) ?? { name: nameOf(statement.text) }
      this.#prepared.set(statement.text, statement.prepared)
    }
    return statement.prepared
  }

  /**
   * Applies a message to the current statement. Never throws: an exception here would end the process.
   * @param handle returns whether the message was expected
   */
  #receive<T>(what: string, handle: (statement: Statement, message: T) => boolean, message: T): void {
    const statement = this.#statements[this.#completed]
    try {
      if (statement && handle(statement, message)) return
    } catch {}
    this.#onBroken(new Error(`PostgreSQL sent an unexpected ${what}`))
  }

  handleRowDescription({ fields }: { fields: FieldDef[] }): void {
    this.#receive('RowDescription', readColumns, fields)
  }

  handleDataRow({ fields }: { fields: (string | null)[] }): void {
    this.#receive('DataRow', readRow, fields)
  }

  handleCommandComplete({ text: tag }: { text: string }): void {
    this.#receive('CommandComplete', readTag, tag)
    this.#completed++
  }

  handleEmptyQuery = (): void => this.#receive('EmptyQueryResponse', isUnexpected, null)
  handlePortalSuspended = (): void => this.#receive('PortalSuspended', isUnexpected, null)
  handleCopyInResponse = (): void => this.#receive('CopyInResponse', isUnexpected, null)
  handleCopyData = (): void => this.#receive('CopyData', isUnexpected, null)

  /** pg reports an unknown message as an error without a code. */
  handleError(error: Error): void {
    if (error instanceof DatabaseError && error.code) this.#error = error
    else this.#onBroken(new Error('PostgreSQL sent an unknown message', { cause: error }))
  }

  handleReadyForQuery(): void {}

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

// Each reads a message into its statement, and returns whether the message was expected.
const isUnexpected = () => false
function readColumns({ prepared }: Statement, fields: readonly FieldDef[]): boolean {
  prepared.columns = fields.map(({ name, dataTypeID }) => ({ name, parse: parserOf(dataTypeID) }))
  return true
}
function readRow({ prepared: { columns = [] }, rows }: Statement, fields: readonly (string | null)[]): boolean {
  const row: Record<string, unknown> = {}
  for (let index = 0; index < columns.length; index++) {
    const { name, parse } = columns[index] as Column
    const field = fields[index] as string | null
    row[name] = field === null ? null : parse(field)
  }
  rows.push(row)
  return columns.length === fields.length
}
function readTag(statement: Statement, tag: string): boolean {
  statement.prepared.columns ??= []
  statement.tag = tag
  return statement.isControl === CONTROL_TAG.test(tag)
}

/** The name is a hash of the SQL: behind a pooler it may be unknown, but never means other SQL. */
const nameOf = (text: string) => createHash('sha256').update(text).digest('base64url')

/** Turns the server's text into RFC 3339. A Date would lose the microseconds. */
const parseTimestamp = (text: string) =>
  text.endsWith('+00') ? `${text.slice(0, 10)}T${text.slice(11, -3)}Z` : text
const parserOf = (type: number): Column['parse'] =>
  type === types.builtins.TIMESTAMPTZ ? parseTimestamp : types.getTypeParser(type, 'text')
