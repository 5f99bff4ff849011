import postgres from 'postgres'
import { unavailable } from './errors.ts'
import type { Connection } from './pool.ts'

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

/** A piece of SQL to be put into a statement, with its own values; made by {@link fragment} alone. */
class Fragment {
  readonly strings: TemplateStringsArray
  readonly values: readonly Value[]
  constructor(strings: TemplateStringsArray, values: readonly Value[]) {
    this.strings = strings
    this.values = values
  }
}
/** A tagged template, so that no text from outside can ever become SQL. */
export const fragment = (strings: TemplateStringsArray, ...values: readonly Value[]) =>
  new Fragment(strings, values)
export type { Fragment }

/** A handle for one transaction on a connection, and how to take it away when that has ended. */
export function openTx(connection: Connection) {
  let ended = false
  let last: Promise<unknown> | undefined
  const tx = (strings: TemplateStringsArray, ...values: readonly Value[]) => {
    if (ended) throw new Error('This transaction has ended')
    if (!connection.alive) throw unavailable()
    const statement = nest(connection.sql, strings, values).execute()
    // Only an error that the server sent leaves the two sides in step. After any other nobody knows
    // which answer belongs to which statement, so the connection is given up.
    statement.catch((error) => error instanceof postgres.PostgresError || connection.destroy())
    last = statement
    return statement
  }
  const revoke = () => {
    ended = true
  }
  return { tx: tx as unknown as Tx, isLast: (promise: unknown) => promise === last, revoke }
}

/** A statement, not sent yet, in which each fragment takes its place. */
function nest(sql: Connection['sql'], strings: TemplateStringsArray, values: readonly Value[]) {
  const parameters = values.map((value): unknown =>
    value instanceof Fragment ? nest(sql, value.strings, value.values) : value,
  )
  return sql(strings, ...(parameters as never[]))
}
