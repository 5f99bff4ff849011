import { Socket } from 'node:net'
import { Client } from 'pg'
import { cancelStatement } from './cancel.ts'
import type { Config } from './config.ts'
import { overloaded, unavailable, unknownOutcome } from './errors.ts'
import { Pipeline, type PreparedStatements, type Statement } from './pipeline.ts'

export interface BorrowOptions {
  /** Milliseconds, instead of TRANSACTION_TIMEOUT_MS. */
  deadline?: number
  /** Ends the work, and what the server is doing for it, unless it is about to end by itself. */
  signal?: AbortSignal
}

export interface Connection {
  alive: boolean
  /** Whether the tables are sharded by user. */
  readonly sharded: boolean
  /** Sends statements together, after those that are on their way; the results are theirs to tell. */
  send(statements: readonly Statement[]): void
  /** Ends the transaction that is using the connection, when the connection is lost. */
  onLost: ((reason: unknown) => void) | undefined
  /** Whether the commit of a write is on its way: a connection that is lost now leaves open what came of it. */
  committing: boolean
  destroy(): void
  /** Stops the running statement too. */
  abort(): void
}

export interface Pool {
  /**
   * Lends a connection to one piece of work at a time.
   * @throws {ApiError} overloaded (503) when too many wait for one, or none is free in time; unavailable (503) when
   *   none can be opened, or when the connection is lost or the work takes too long or is aborted
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

/** What pg has no option for. Unlike `options`, PgBouncer keeps these two apart for each of its clients. */
class UtcClient extends Client {
  getStartupConf() {
    // @ts-expect-error its types do not have it
    return { ...super.getStartupConf(), TimeZone: 'UTC', DateStyle: 'ISO' }
  }
}

/**
 * A pool of connections. Each is one client of pg that is thrown away with its connection, so that nothing
 * meant for one transaction can ever reach another connection.
 */
export function createPool(config: Config): Pool {
  const open = new Set<Connection>()
  const idle: Connection[] = []
  const waiting: Deferred<Connection>[] = []
  let borrowed = 0
  let closing = false
  let onDrained = ignore

  async function connect(): Promise<Connection> {
    // Our own, because only then can a connection be cut that the server no longer answers on.
    const socket = new Socket()
    const client = new UtcClient({
      connectionString: config.DATABASE_URL,
      connectionTimeoutMillis: config.CONNECT_TIMEOUT_MS,
      application_name: 'todo-api',
      statement_timeout: config.STATEMENT_TIMEOUT_MS,
      lock_timeout: config.LOCK_TIMEOUT_MS,
      idle_in_transaction_session_timeout: config.IDLE_TIMEOUT_MS,
      stream: () => socket,
    })
    const prepared: PreparedStatements | undefined = config.DATABASE_PREPARE ? new Map() : undefined
    let queued: Statement[] = []
    let busy = false
    const sendQueued = () => {
      busy = queued.length > 0
      if (busy) client.query(new Pipeline(queued, prepared, sendQueued))
      queued = []
    }
    const connection: Connection = {
      alive: true,
      sharded: config.DATABASE_SHARDED,
      onLost: undefined,
      committing: false,
      send(statements) {
        queued.push(...statements)
        if (!busy) sendQueued()
      },
      destroy() {
        connection.alive = false
        open.delete(connection)
        if (idle.includes(connection)) idle.splice(idle.indexOf(connection), 1)
        socket.destroy()
        connection.onLost?.(connection.committing ? unknownOutcome() : unavailable())
      },
      abort() {
        cancelStatement(client)
        connection.destroy()
      },
    }
    client.on('error', connection.destroy)
    open.add(connection)
    try {
      await client.connect()
      return connection
    } catch {
      connection.destroy()
      throw unavailable()
    }
  }

  async function acquire(): Promise<Connection> {
    const connection = idle.pop()
    if (connection) return connection
    if (open.size < config.DATABASE_POOL_SIZE) return connect()
    if (waiting.length >= config.POOL_QUEUE_LIMIT) throw overloaded()
    const waiter = defer<Connection>()
    waiting.push(waiter)
    const timer = setTimeout(() => {
      waiting.splice(waiting.indexOf(waiter), 1)
      waiter.reject(overloaded())
    }, config.POOL_TIMEOUT_MS)
    return waiter.promise.finally(() => clearTimeout(timer))
  }

  function lend(connection: Connection): void {
    const waiter = waiting.shift()
    if (waiter) waiter.resolve(connection)
    else idle.push(connection)
  }

  function release(connection: Connection): void {
    if (connection.alive) lend(connection)
    else if (waiting.length > 0 && open.size < config.DATABASE_POOL_SIZE)
      connect().then(lend, (reason) => waiting.shift()?.reject(reason))
  }

  async function borrow<T>(
    use: (connection: Connection) => Promise<T>,
    { deadline = config.TRANSACTION_TIMEOUT_MS, signal }: BorrowOptions = {},
  ): Promise<T> {
    if (closing || signal?.aborted) throw unavailable()
    borrowed++
    let connection: Connection | undefined
    let timer: NodeJS.Timeout | undefined
    const abortSoon = () => {
      clearTimeout(timer)
      timer = setTimeout(() => connection?.abort(), ABORT_PATIENCE)
    }
    try {
      connection = await acquire()
      if (signal?.aborted) throw unavailable()
      signal?.addEventListener('abort', abortSoon)
      timer = setTimeout(connection.abort, deadline)
      const lost = defer<never>()
      connection.onLost = lost.reject
      return await Promise.race([use(connection), lost.promise])
    } finally {
      clearTimeout(timer)
      if (connection) {
        signal?.removeEventListener('abort', abortSoon)
        connection.onLost = undefined
        connection.committing = false
        release(connection)
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
