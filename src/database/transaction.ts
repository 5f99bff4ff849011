import { unavailable } from '../http/errors.ts'
import type { Connection } from './connection.ts'
import { Statement, type Value } from './statement.ts'

declare const brand: unique symbol
/**
 * Sends SQL inside one transaction: a tagged template whose values become parameters. Statements that are sent without
 * waiting for each other share a round trip. Throws after `withUser` or `withoutUser` has returned.
 */
export interface Tx {
  <Row extends object>(strings: TemplateStringsArray, ...parts: readonly Part[]): Promise<Row[]>
  /** Adds a step to the next statement, which must have a place for it: {@link furtherStep}. */
  addStep(step: Fragment): void
  readonly [brand]: true
}

type Part = Value | Fragment | ShardFragment
/**
 * A fragment that depends on where it is sent.
 * @param shard the user's id on a sharded database, otherwise null
 * @param step what {@link Tx.addStep} has added
 */
export type ShardFragment = (shard: string | null, step: Fragment) => Fragment

/** Part of a statement, with its own parameters. Only {@link fragment} and {@link unpreparedFragment} create one. */
class Fragment {
  readonly strings: TemplateStringsArray
  readonly parts: readonly Part[]
  readonly unprepared: boolean
  constructor(strings: TemplateStringsArray, parts: readonly Part[], unprepared = false) {
    this.strings = strings
    this.parts = parts
    this.unprepared = unprepared || parts.some((part) => part instanceof Fragment && part.unprepared)
  }
}

export type { Fragment }

/** A tagged template for part of a statement. */
export const fragment = (strings: TemplateStringsArray, ...parts: readonly Part[]) =>
  new Fragment(strings, parts)

/**
 * Like {@link fragment}, but its statement is not prepared: PostgreSQL plans it each time for the actual user and
 * values, because a plan that suits one user can be a thousand times too slow for another.
 */
export const unpreparedFragment = (strings: TemplateStringsArray, ...parts: readonly Part[]) =>
  new Fragment(strings, parts, true)

/**
 * A condition that every statement on a sharded table needs: without it Citus queries all shards, because it cannot
 * route by a policy. It isolates nothing; with a wrong id the policies still return no other user's rows.
 */
export const shardKey: ShardFragment = (shard) =>
  shard === null ? fragment`true` : fragment`user_id = ${shard}`

/** Part of a statement that is left out on a sharded database. Citus runs no INSERT within WITH. */
export const unlessSharded =
  (part: Fragment): ShardFragment =>
  (shard) =>
    shard === null ? part : fragment``

/** The place for a step in a statement of the form `with written as (…) … select … from written`. */
export const furtherStep: ShardFragment = (_shard, step) => step

/**
 * PREPARE, SET, LISTEN and their like change the session, which the next user's request shares: they could even replace
 * a prepared statement. The extended protocol takes one command at a time, so its first word tells.
 */
const QUERY = /^\s*(select|insert|update|delete|with)\b/i

export interface TransactionOptions {
  /** The user whose shard the statements are routed to; null without a user. */
  user_id?: string | null
  /** Counts the statements sent through `tx`. */
  cost?: { statements: number }
}

/** Creates the handle of one transaction on a connection, and what its owner controls it with. */
export function openTransaction(
  connection: Connection,
  { user_id = null, cost = { statements: 0 } }: TransactionOptions = {},
) {
  const shard = connection.sharded ? user_id : null
  let revoked = false
  let wasFlushed = false
  let pending: Statement[] = []
  let last: Promise<unknown> | undefined
  let step: Fragment | undefined

  function flush(): void {
    wasFlushed = true
    if (pending.length > 0) connection.send(pending)
    pending = []
  }

  function add(statement: Statement): Statement {
    if (!connection.isOpen) throw unavailable()
    // The owner flushes the first time; later statements are flushed once per turn of the event loop.
    if (wasFlushed && pending.length === 0) setImmediate(flush)
    pending.push(statement)
    last = statement.result
    return statement
  }

  function send<Row extends object>(strings: TemplateStringsArray, ...parts: readonly Part[]) {
    if (revoked) throw new Error('This transaction has ended')
    const { text, values, preparable } = compose(fragment(strings, ...parts), shard, step)
    step = undefined
    if (!QUERY.test(text))
      throw new Error(`Not allowed in a transaction: ${text.slice(0, 50) || 'an empty statement'}`)
    return add(new Statement(text, values, { preparable })).result as Promise<Row[]>
  }

  const tx = (strings: TemplateStringsArray, ...parts: readonly Part[]) => {
    cost.statements++
    return send(strings, ...parts)
  }
  tx.addStep = (next: Fragment) => {
    step = next
  }

  return {
    /** For the work that runs in the transaction. */
    tx: tx as unknown as Tx,
    /** Like `tx`, without counting the statement. */
    send,
    flush,
    begin: (command: 'begin' | 'begin read only') =>
      void add(new Statement(command, [], { isControl: true })),
    /** @returns the server's command tag: ROLLBACK for the commit of a failed transaction */
    async end(command: 'commit' | 'rollback'): Promise<string> {
      // A rollback is never prepared: it must work when prepared statements do not.
      const statement = add(new Statement(command, [], { preparable: command === 'commit', isControl: true }))
      flush()
      await statement.result
      return statement.tag
    },
    /** Waits until every statement has succeeded or failed. */
    async settle(): Promise<void> {
      await last?.catch(() => {})
    },
    /** Whether a promise is the result of the newest statement. */
    isLastResult: (promise: unknown) => promise === last,
    /** Makes `tx` unusable. */
    revoke() {
      revoked = true
    },
  }
}

/** Puts fragments in their places, and numbers the parameters. @throws {Error} when there is no place for the step */
function compose(statement: Fragment, shard: string | null, step: Fragment | undefined) {
  const values: Value[] = []
  let preparable = true
  let hasPlace = false
  const toText = ({ strings, parts, unprepared }: Fragment): string => {
    if (unprepared) preparable = false
    return strings.reduce((text, string, index) => {
      const given = parts[index - 1] as Part
      if (given === furtherStep) hasPlace = true
      const part = typeof given === 'function' ? given(shard, step ?? fragment``) : given
      return text + (part instanceof Fragment ? toText(part) : `$${values.push(part)}`) + string
    })
  }
  const text = toText(statement)
  if (step && !hasPlace) throw new Error(`This statement takes no further step: ${text.slice(0, 50)}`)
  return { text, values, preparable }
}
