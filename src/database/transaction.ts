import { unavailable } from '../http/errors.ts'
import type { Connection } from './connection.ts'
import { Statement, type Value } from './statement.ts'

declare const brand: unique symbol
/**
 * The only way to send SQL: a tagged template, parameters bound. What is asked for without waiting in between
 * travels together. It exists inside `withUser` (or `withoutUser`) and throws once that has ended.
 */
export interface Tx {
  <Row extends object>(strings: TemplateStringsArray, ...parts: readonly Part[]): Promise<Row[]>
  readonly [brand]: true
}

type Part = Value | Fragment | Routed
/** A fragment that is another one on a sharded database: the user of the transaction tells the shard, null that there is none. */
export type Routed = (shard: string | null) => Fragment

/** A piece of SQL to be put into a statement, with its own values; made by {@link fragment} alone. */
class Fragment {
  readonly strings: TemplateStringsArray
  readonly values: readonly Part[]
  /** Whether the statement must be planned each time. */
  readonly unkept: boolean
  constructor(strings: TemplateStringsArray, values: readonly Part[], unkept = false) {
    this.strings = strings
    this.values = values
    this.unkept = unkept || values.some((part) => part instanceof Fragment && part.unkept)
  }
}
/** A tagged template, so that no text from outside can ever become SQL. */
export const fragment = (strings: TemplateStringsArray, ...values: readonly Part[]) =>
  new Fragment(strings, values)
/**
 * As {@link fragment}, and the statement that it becomes part of is planned each time, for its user and its values,
 * and not kept: where a plan that is good for one user can be a thousand times too slow for another.
 */
export const unkeptFragment = (strings: TemplateStringsArray, ...values: readonly Part[]) =>
  new Fragment(strings, values, true)
export type { Fragment }

/**
 * For the condition of every statement on a sharded table: which shard to ask, for by the policies alone Citus asks
 * them all. Not a filter: without it, or with another's id, the policies leave the same rows or none.
 */
export const mine: Routed = (shard) => (shard === null ? fragment`true` : fragment`user_id = ${shard}`)

/** An empty statement, and those that begin or end a transaction or are answered in another way than with rows. */
const FORBIDDEN =
  /^(\s|--[^\n]*(\n|$)|\/\*([^*]|\*(?!\/))*\*\/)*($|(begin|start|commit|end|abort|rollback|savepoint|release|prepare\s+transaction|copy)\b)/i

/**
 * A handle for one transaction on a connection, how to end it, and how to take the handle away.
 * @param user_id who is asking, if anybody
 */
export function openTx(connection: Connection, user_id: string | null = null) {
  const shard = connection.sharded ? user_id : null
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
  const tx = (strings: TemplateStringsArray, ...parts: readonly Part[]) => {
    if (ended) throw new Error('This transaction has ended')
    const values: Value[] = []
    const kept = !parts.some((value) => value instanceof Fragment && value.unkept)
    const text = compose(strings, parts, values, shard)
    if (FORBIDDEN.test(text))
      throw new Error(`Not allowed in a transaction: ${text.slice(0, 50) || 'nothing'}`)
    return add(new Statement(text, values, { kept })).result
  }
  return {
    tx: tx as unknown as Tx,
    flush,
    begin: (command: 'begin' | 'begin read only') =>
      add(new Statement(command, [], { isControl: true })).result,
    /** @returns what the server made of it: the commit of a failed transaction is a rollback */
    async end(command: 'commit' | 'rollback'): Promise<string> {
      // A rollback is never prepared: it must not fail for want of it.
      const statement = add(new Statement(command, [], { kept: command === 'commit', isControl: true }))
      flush()
      await statement.result
      return statement.tag
    },
    /** Waits until all that was sent has succeeded or failed. */
    async settle(): Promise<void> {
      await last?.catch(() => {})
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
  parts: readonly Part[],
  values: Value[],
  shard: string | null,
): string {
  let text = strings[0] as string
  parts.forEach((given, index) => {
    const part = typeof given === 'function' ? given(shard) : given
    text +=
      part instanceof Fragment ? compose(part.strings, part.values, values, shard) : `$${values.push(part)}`
    text += strings[index + 1]
  })
  return text
}
