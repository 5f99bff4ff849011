import { unavailable } from './errors.ts'
import { Statement, type Value } from './pipeline.ts'
import type { Connection } from './pool.ts'

declare const brand: unique symbol
/**
 * The only way to send SQL: a tagged template, parameters bound. What is asked for without waiting in between
 * travels together. It exists inside `withUser` (or `withoutUser`) and throws once that has ended.
 */
export interface Tx {
  <Row extends object>(
    strings: TemplateStringsArray,
    ...values: readonly (Value | Fragment)[]
  ): Promise<Row[]>
  readonly [brand]: true
}

/** A piece of SQL to be put into a statement, with its own values; made by {@link fragment} alone. */
class Fragment {
  readonly strings: TemplateStringsArray
  readonly values: readonly (Value | Fragment)[]
  /** Whether the statement must be planned each time. */
  readonly unkept: boolean
  constructor(strings: TemplateStringsArray, values: readonly (Value | Fragment)[], unkept = false) {
    this.strings = strings
    this.values = values
    this.unkept = unkept
  }
}
/** A tagged template, so that no text from outside can ever become SQL. */
export const fragment = (strings: TemplateStringsArray, ...values: readonly (Value | Fragment)[]) =>
  new Fragment(strings, values)
/**
 * As {@link fragment}, and the statement that it becomes part of is planned each time, for its user and its values,
 * and not kept: where a plan that is good for one user can be a thousand times too slow for another.
 */
export const unkeptFragment = (strings: TemplateStringsArray, ...values: readonly (Value | Fragment)[]) =>
  new Fragment(strings, values, true)
export type { Fragment }

/** A handle for one transaction on a connection, how to end it, and how to take the handle away. */
export function openTx(connection: Connection) {
  let ended = false
  let first = true
  let pending: Statement[] = []
  let last: Promise<unknown> | undefined
  /** Sends what has been asked for so far. */
  const flush = () => {
    first = false
    if (pending.length > 0) connection.send(pending)
    pending = []
  }
  const add = (statement: Statement) => {
    if (!connection.alive) throw unavailable()
    // After the first flight, which its sender sends: when nothing more can follow in this turn of the event loop.
    if (!first && pending.length === 0) setImmediate(flush)
    pending.push(statement)
    last = statement.result
    return statement
  }
  const tx = (strings: TemplateStringsArray, ...nested: readonly (Value | Fragment)[]) => {
    if (ended) throw new Error('This transaction has ended')
    const values: Value[] = []
    const kept = !nested.some((value) => value instanceof Fragment && value.unkept)
    return add(new Statement(compose(strings, nested, values), values, kept)).result
  }
  return {
    tx: tx as unknown as Tx,
    flush,
    /** @returns what the server made of it: the commit of a failed transaction is a rollback */
    async end(command: 'commit' | 'rollback'): Promise<string> {
      const statement = add(new Statement(command, []))
      flush()
      await statement.result
      return statement.tag
    },
    isLast: (promise: unknown) => promise === last,
    revoke() {
      ended = true
    },
  }
}

/** The text of a statement in which each fragment takes its place; its values go to the end of the list. */
function compose(
  strings: TemplateStringsArray,
  nested: readonly (Value | Fragment)[],
  values: Value[],
): string {
  let text = strings[0] as string
  nested.forEach((value, index) => {
    text +=
      value instanceof Fragment ? compose(value.strings, value.values, values) : `$${values.push(value)}`
    text += strings[index + 1]
  })
  return text
}
