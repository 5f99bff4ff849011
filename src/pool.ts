import { Socket } from 'node:net'
import { Client } from 'pg'
import { overloaded, unavailable } from './errors.ts'
import { Pipeline, type PreparedStatements, type Statement } from './pipeline.ts'

export interface PoolOptions {
  url: string
  /** Most connections that are open at once. */
  max: number
  prepare: boolean
  /** Milliseconds, each. A statement and a lock wait are ended by the server, the rest by the client. */
  timeouts?: Partial<typeof defaultTimeouts> | undefined
}

const defaultTimeouts = {
  connect: 2000,
  wait: 1000,
  statement: 5000,
  lock: 2000,
  idle: 5000,
  transaction: 8000,
}

export interface Connection {
  alive: boolean
  /** Sends statements together, after those that are on their way; the results are theirs to tell. */
  send(statements: readonly Statement[]): void
  /** Ends the transaction that is using the connection, when the connection is lost. */
  onLost: ((reason: unknown) => void) | undefined
  destroy(): void
}

export interface Pool {
  /**
   * Lends a connection to one piece of work at a time.
   * @throws {ApiError} overloaded (503) when none is free in time; unavailable (503) when none can be
   *   opened, or when the connection is lost or the work takes too long
   */
  borrow<T>(use: (connection: Connection) => Promise<T>): Promise<T>
  /** Waits for the work under way, then closes every connection. */
  close(): Promise<void>
}

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
export function createPool({ url, max, prepare, timeouts }: PoolOptions): Pool {
  const limits = { ...defaultTimeouts, ...timeouts }
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
      connectionString: url,
      connectionTimeoutMillis: limits.connect,
      application_name: 'todo-api',
      statement_timeout: limits.statement,
      lock_timeout: limits.lock,
      idle_in_transaction_session_timeout: limits.idle,
      stream: () => socket,
    })
    const prepared: PreparedStatements | undefined = prepare ? new Map() : undefined
    let queued: Statement[] = []
    let busy = false
    const sendQueued = () => {
      busy = queued.length > 0
      if (busy) client.query(new Pipeline(queued, prepared, sendQueued))
      queued = []
    }
    const connection: Connection = {
      alive: true,
      onLost: undefined,
      send(statements) {
        queued.push(...statements)
        if (!busy) sendQueued()
      },
      destroy() {
        connection.alive = false
        open.delete(connection)
        if (idle.includes(connection)) idle.splice(idle.indexOf(connection), 1)
        socket.destroy()
        connection.onLost?.(unavailable())
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
    if (open.size < max) return connect()
    const waiter = defer<Connection>()
    waiting.push(waiter)
    const timer = setTimeout(() => {
      waiting.splice(waiting.indexOf(waiter), 1)
      waiter.reject(overloaded())
    }, limits.wait)
    return waiter.promise.finally(() => clearTimeout(timer))
  }

  function release(connection: Connection): void {
    const waiter = waiting.shift()
    if (!waiter) return void (connection.alive && idle.push(connection))
    if (connection.alive) waiter.resolve(connection)
    else connect().then(waiter.resolve, waiter.reject)
  }

  async function borrow<T>(use: (connection: Connection) => Promise<T>): Promise<T> {
    if (closing) throw unavailable()
    borrowed++
    let connection: Connection | undefined
    let deadline: NodeJS.Timeout | undefined
    try {
      connection = await acquire()
      deadline = setTimeout(connection.destroy, limits.transaction)
      const lost = defer<never>()
      connection.onLost = lost.reject
      return await Promise.race([use(connection), lost.promise])
    } finally {
      clearTimeout(deadline)
      if (connection) {
        connection.onLost = undefined
        release(connection)
      }
      if (--borrowed === 0) onDrained()
    }
  }

  return {
    borrow,
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
