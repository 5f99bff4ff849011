import { connect as connectSocket, type Socket } from 'node:net'
import postgres from 'postgres'
import { overloaded, unavailable } from './errors.ts'

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
  sql: postgres.ReservedSql
  alive: boolean
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
/** The server sends timestamps as text; the API sends the same text on in RFC 3339 form, never through a Date. */
const timestamp = {
  to: 1184,
  from: [1184],
  serialize: String,
  parse: (text: string) => text.replace(' ', 'T').replace('+00', 'Z'),
}

/**
 * A pool of connections. Each is one postgres.js client that is thrown away with its connection, so
 * that nothing meant for one transaction can ever reach another connection.
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
    let socket: Socket | undefined
    const connection: Connection = {
      sql: undefined as never,
      alive: true,
      onLost: undefined,
      destroy() {
        connection.alive = false
        open.delete(connection)
        if (idle.includes(connection)) idle.splice(idle.indexOf(connection), 1)
        socket?.destroy()
        client.end({ timeout: 0 }).catch(ignore)
        connection.onLost?.(unavailable())
      },
    }
    const options = {
      max: 1,
      prepare,
      types: { timestamp },
      max_lifetime: null,
      connect_timeout: limits.connect / 1000,
      onnotice: ignore,
      onclose: connection.destroy,
      // Our own socket, because only then can a connection be cut that the server no longer answers on.
      socket: ({ host, port, path }: { host: string[]; port: number[]; path: string | false }) => {
        if (!connection.alive) throw new Error('The connection was given up')
        socket = path
          ? connectSocket(path)
          : connectSocket({ host: host[0] as string, port: port[0] as number })
        // Before postgres.js hears of it: whoever waits must find the connection dead, not usable.
        socket.on('error', connection.destroy)
        return Object.assign(socket.setNoDelay(), { host: host[0] })
      },
      connection: {
        application_name: 'todo-api',
        TimeZone: 'UTC',
        DateStyle: 'ISO',
        statement_timeout: limits.statement,
        lock_timeout: limits.lock,
        idle_in_transaction_session_timeout: limits.idle,
      },
    }
    const client = postgres(url, options)
    open.add(connection)
    try {
      connection.sql = await client.reserve()
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
