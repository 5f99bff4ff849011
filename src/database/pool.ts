import { DatabaseError } from 'pg'
import type { Config } from '../config.ts'
import { overloaded, unavailable } from '../http/errors.ts'
import { type Connection, openConnection } from './connection.ts'

export interface BorrowOptions {
  /** Whom the work is for: one user gets a third of the pool at most. Work for no user is not limited. */
  user?: string
  /** Milliseconds, instead of TRANSACTION_TIMEOUT_MS. */
  deadline?: number
  /** Ends the work, and what the server is doing for it, unless it is about to end by itself. */
  signal?: AbortSignal
}

export interface Pool {
  /**
   * Lends a connection to one piece of work at a time.
   * @throws {ApiError} overloaded (503) when too many wait for one, of all or of one user, or none is free in time;
   *   unavailable (503) when none can be opened, or when the connection is lost or the work takes too long or is aborted
   */
  borrow<T>(use: (connection: Connection) => Promise<T>, options?: BorrowOptions): Promise<T>
  /** Connections in use and idle, and work that waits for one. */
  stats(): Record<'in_use' | 'idle' | 'waiting', number>
  /** Waits for the work under way, then closes every connection. */
  close(): Promise<void>
}

/**
 * Milliseconds that work gets to end by itself once nobody waits for it: stopping it costs a connection, and no flood
 * of clients that hang up may have the database make a new one for each.
 */
const ABORT_PATIENCE = 100
const ignore = () => {}
/** How much of the pool, and of the line for it, one user may take: no flood by one leaves nothing to the others. */
const shareOf = (all: number) => Math.ceil(all / 3)

/** SQLSTATE classes of the client's faults and of concurrency: data, constraints, serialization, locks. */
const EXPECTED = /^(22|23|40|55)/
const QUERY_CANCELED = '57014'
/**
 * Whether an error may come from a setting that a statement left behind on the connection, such as search_path or a
 * shorter timeout. Rows that a policy refuses do not.
 * @param isLate whether the statement timeout has passed
 */
const isUnexpected = (error: unknown, isLate: boolean) =>
  error instanceof DatabaseError &&
  !EXPECTED.test(`${error.code}`) &&
  error.routine !== 'ExecWithCheckOptions' &&
  !(isLate && error.code === QUERY_CANCELED)

/**
 * A pool of connections, which lends each to one piece of work at a time.
 */
export function createPool(config: Config): Pool {
  const open = new Set<Connection>()
  const idle: Connection[] = []
  const waiting: Waiter[] = []
  /** How many connections each user has been lent; who has none is not in it. */
  const lent = new Map<string, number>()
  const share = shareOf(config.DATABASE_POOL_SIZE)
  let borrowed = 0
  let closing = false
  let onDrained = ignore

  async function connect(): Promise<Connection> {
    const connection = openConnection(config, () => {
      open.delete(connection)
      if (idle.includes(connection)) idle.splice(idle.indexOf(connection), 1)
    })
    open.add(connection)
    await connection.opened
    return connection
  }

  const heldBy = (user = '') => lent.get(user) ?? 0
  function count(user: string | undefined, change: 1 | -1): void {
    if (user === undefined) return
    const held = heldBy(user) + change
    if (held > 0) lent.set(user, held)
    else lent.delete(user)
  }

  async function acquire(user: string | undefined): Promise<Connection> {
    if (heldBy(user) < share && (idle.length > 0 || open.size < config.DATABASE_POOL_SIZE)) {
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

  /** Takes out of the line who has waited longest of those users who hold fewest connections. */
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
    // Whatever happened, no transaction goes on under the next user.
    if (!connection.idle) connection.destroy()
    const free = connection.alive ? connection : idle.pop()
    if (free) lend(free)
    else if (waiting.length > 0 && open.size < config.DATABASE_POOL_SIZE)
      connect().then(lend, (reason) => takeNext()?.reject(reason))
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
    let start = 0
    const abortSoon = () => {
      clearTimeout(timer)
      timer = setTimeout(() => connection?.abort(), ABORT_PATIENCE)
    }
    try {
      connection = await acquire(user)
      if (signal?.aborted) throw unavailable()
      signal?.addEventListener('abort', abortSoon)
      start = performance.now()
      timer = setTimeout(connection.abort, deadline)
      const lost = defer<never>()
      connection.onLost = lost.reject
      return await Promise.race([use(connection), lost.promise])
    } catch (error) {
      isSuspect = isUnexpected(error, performance.now() - start >= config.STATEMENT_TIMEOUT_MS)
      throw error
    } finally {
      clearTimeout(timer)
      if (connection) {
        signal?.removeEventListener('abort', abortSoon)
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

interface Deferred<T> {
  promise: Promise<T>
  resolve(value: T): void
  reject(reason: unknown): void
}

/** Promise.withResolvers, which Node 20 does not have. */
function defer<T>(): Deferred<T> {
  const deferred = {} as Deferred<T>
  deferred.promise = new Promise((resolve, reject) => Object.assign(deferred, { resolve, reject }))
  return deferred
}
