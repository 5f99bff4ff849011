import { DatabaseError } from 'pg'
import type { Config } from '../config.ts'
import { overloaded, unavailable } from '../http/errors.ts'
import { untilLost, workOf } from './cancellation.ts'
import { createConnectLimiter } from './connect-limiter.ts'
import { type Connection, openConnection } from './connection.ts'
import { type Deferred, defer } from './deferred.ts'
import { isPolicyViolation } from './errors.ts'

export interface BorrowOptions {
  /** The user that the work is for. One user gets at most a third of the pool; work without a user is not limited. */
  user?: string
  /** Milliseconds that the work may take, instead of TRANSACTION_TIMEOUT_MS. */
  deadline?: number
  /** Cancels the work and its running statement, after a short grace period. */
  signal?: AbortSignal
}

export interface Pool {
  /**
   * Runs `use` with a connection that nothing else uses meanwhile.
   * @throws {ApiError} overloaded (503) when the queue is full, in total or for the user, or no connection is free
   *   within POOL_TIMEOUT_MS; unavailable (503) when no connection can be opened, or it is lost, or the work takes too
   *   long or is cancelled
   */
  borrow<T>(use: (connection: Connection) => Promise<T>, options?: BorrowOptions): Promise<T>
  /** Counts connections in use, idle connections and waiting work. */
  stats(): Record<'in_use' | 'idle' | 'waiting', number>
  /** Waits for the work under way, then closes every connection. */
  close(): Promise<void>
}

/** Grace period after a disconnect: cancelling destroys the connection, which is expensive in a flood of disconnects. */
const DISCONNECT_GRACE_MS = 100
const ignore = () => {}
/** The part of the pool, and of its queue, that one user may take, so that none can starve the others. */
const shareOf = (all: number) => Math.ceil(all / 3)

/** SQLSTATE classes caused by the client or by concurrency: data, constraints, serialization, locks. */
const EXPECTED = /^(22|23|40|55)/
const QUERY_CANCELED = '57014'
/**
 * Whether an error may come from a setting that a statement left behind on the connection, such as search_path or a
 * shorter timeout. A row that a policy rejects does not.
 * @param isLate whether the statement timeout has passed
 */
const isUnexpected = (error: unknown, isLate: boolean) =>
  error instanceof DatabaseError &&
  !EXPECTED.test(`${error.code}`) &&
  !isPolicyViolation(error) &&
  !(isLate && error.code === QUERY_CANCELED)

/** Creates a pool of at most DATABASE_POOL_SIZE connections, opened on demand. */
export function createPool(config: Config): Pool {
  const open = new Set<Connection>()
  const idle: Connection[] = []
  const waiting: Waiter[] = []
  /** The number of connections that each user holds; users without any are left out. */
  const lent = new Map<string, number>()
  const share = shareOf(config.DATABASE_POOL_SIZE)
  const limiter = createConnectLimiter()
  let borrowed = 0
  let closing = false
  let onDrained = ignore

  async function connect(): Promise<Connection> {
    const connection = openConnection(config, limiter, () => {
      open.delete(connection)
      if (idle.includes(connection)) idle.splice(idle.indexOf(connection), 1)
    })
    open.add(connection)
    await connection.opened.catch((reason) => {
      // Nothing is left that could serve the queue.
      if (open.size === 0) for (const { reject } of waiting.splice(0)) reject(reason)
      throw reason
    })
    return connection
  }

  /** While connects fail, only a pool without connections tries again; work in others waits for one of them. */
  const mayOpen = () => open.size < config.DATABASE_POOL_SIZE && (open.size === 0 || !limiter.isBackingOff())
  const heldBy = (user = '') => lent.get(user) ?? 0
  function count(user: string | undefined, change: 1 | -1): void {
    if (user === undefined) return
    const held = heldBy(user) + change
    if (held > 0) lent.set(user, held)
    else lent.delete(user)
  }

  async function acquire(user: string | undefined): Promise<Connection> {
    if (heldBy(user) < share && (idle.length > 0 || mayOpen())) {
      count(user, 1)
      try {
        return idle.pop() ?? (await connect())
      } catch (error) {
        count(user, -1)
        throw error
      }
    }
    const own = user === undefined ? 0 : waiting.filter((waiter) => waiter.user === user).length
    if (waiting.length >= config.POOL_QUEUE_LIMIT || own >= shareOf(config.POOL_QUEUE_LIMIT))
      throw overloaded()
    const waiter = { user, ...defer<Connection>() }
    waiting.push(waiter)
    const timer = setTimeout(() => {
      waiting.splice(waiting.indexOf(waiter), 1)
      waiter.reject(overloaded())
    }, config.POOL_TIMEOUT_MS)
    return waiter.promise.finally(() => clearTimeout(timer))
  }

  /** Removes the next waiter from the queue: of the users with the fewest connections, the one that waits longest. */
  function takeNext(): Waiter | undefined {
    let next: Waiter | undefined
    let fewest = share
    for (const waiter of waiting) {
      const held = heldBy(waiter.user)
      if (held >= fewest) continue
      next = waiter
      fewest = held
    }
    if (next) waiting.splice(waiting.indexOf(next), 1)
    return next
  }

  function lend(connection: Connection): void {
    const waiter = takeNext()
    if (!waiter) return void idle.push(connection)
    count(waiter.user, 1)
    waiter.resolve(connection)
  }

  function release(connection: Connection, user: string | undefined): void {
    count(user, -1)
    // Never pass an open transaction on to the next user.
    if (!connection.reusable) connection.destroy()
    const free = connection.isOpen ? connection : idle.pop()
    if (free) lend(free)
    else if (waiting.length > 0 && mayOpen()) connect().then(lend, (reason) => takeNext()?.reject(reason))
  }

  async function borrow<T>(
    use: (connection: Connection) => Promise<T>,
    { user, deadline = config.TRANSACTION_TIMEOUT_MS, signal }: BorrowOptions = {},
  ): Promise<T> {
    if (closing || signal?.aborted) throw unavailable()
    borrowed++
    let connection: Connection | undefined
    let timer: NodeJS.Timeout | undefined
    let isSuspect = false
    const abortSoon = () => {
      clearTimeout(timer)
      timer = setTimeout(() => connection?.abort(), DISCONNECT_GRACE_MS)
    }
    try {
      connection = await acquire(user)
      if (signal?.aborted) throw unavailable()
      if (signal) workOf(signal).add(abortSoon)
      const start = performance.now()
      timer = setTimeout(connection.abort, deadline)
      return await untilLost(connection, use).catch((error) => {
        isSuspect = isUnexpected(error, performance.now() - start >= config.STATEMENT_TIMEOUT_MS)
        throw error
      })
    } finally {
      clearTimeout(timer)
      if (connection) {
        if (signal) workOf(signal).delete(abortSoon)
        connection.onLost = undefined
        connection.committing = false
        if (isSuspect) connection.destroy()
        release(connection, user)
      }
      if (--borrowed === 0) onDrained()
    }
  }

  return {
    borrow,
    stats: () => ({ in_use: open.size - idle.length, idle: idle.length, waiting: waiting.length }),
    async close() {
      closing = true
      if (borrowed > 0) await new Promise<void>((resolve) => (onDrained = resolve))
      for (const connection of open) connection.destroy()
    },
  }
}

interface Waiter extends Deferred<Connection> {
  user: string | undefined
}
