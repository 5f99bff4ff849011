import { randomInt } from 'node:crypto'
import type { EventEmitter } from 'node:events'
import { connect, Socket } from 'node:net'
import { Client } from 'pg'
import type { Config } from '../config.ts'
import { unavailable, unknownOutcome } from '../http/errors.ts'
import { createMessageReader, IDLE, type OnMessage, readError, Type } from './backend-messages.ts'
import type { ConnectLimiter } from './connect-limiter.ts'
import { Pipeline, type PreparedStatements } from './pipeline.ts'
import { watchServerState } from './server-state.ts'
import type { Statement } from './statement.ts'

export interface Connection {
  /** Resolves when it can be used; rejects with unavailable (503). */
  readonly opened: Promise<unknown>
  /** Whether it is open. */
  isOpen: boolean
  /** Whether further work may use it: it is in no transaction, no statement is running, and it is not too old. */
  readonly reusable: boolean
  /** Whether the tables are sharded by user. */
  readonly sharded: boolean
  /** Sends statements as one pipeline, after the current one. Each statement's `result` settles by itself. */
  send(statements: readonly Statement[]): void
  /** Called when the connection is lost, with the error for the work that is using it; undefined while none is. */
  onLost: ((reason: unknown) => void) | undefined
  /** Whether the commit of a write has been sent: if the connection is lost now, its outcome is unknown. */
  committing: boolean
  /** Closes the socket, whatever the server is doing. */
  destroy(): void
  /** Cancels the running statement and closes the socket. */
  abort(): void
}

/** Sets startup parameters that pg has no option for. PgBouncer tracks these two per client, unlike `options`. */
class UtcClient extends Client {
  getStartupConf() {
    // @ts-expect-error its types do not have it
    return { ...super.getStartupConf(), TimeZone: 'UTC', DateStyle: 'ISO' }
  }
}

/** Where pg emits the server's messages, and keeps the socket or the TLS socket over it. */
const wireOf = (client: Client) =>
  (client as unknown as { connection: EventEmitter & { stream: Socket } }).connection

/** Idle time after which the kernel probes the server: ten times, a second apart (set by Node). */
const KEEP_ALIVE_MS = 10_000

/**
 * Opens a connection. Its pg client is never reconnected, so that no statement can reach another connection.
 * @param limiter decides when it may be opened
 * @param onEnd called once, when the connection is lost or destroyed
 */
export function openConnection(config: Config, limiter: ConnectLimiter, onEnd: () => void): Connection {
  // We create the socket so that we can destroy it when the server hangs.
  const socket = new Socket()
  const client = new UtcClient({
    connectionString: config.DATABASE_URL,
    connectionTimeoutMillis: config.CONNECT_TIMEOUT_MS,
    application_name: 'todo-api',
    statement_timeout: config.STATEMENT_TIMEOUT_MS,
    lock_timeout: config.LOCK_TIMEOUT_MS,
    idle_in_transaction_session_timeout: config.IDLE_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    stream: () => socket,
  })
  const prepared: PreparedStatements | undefined = config.DATABASE_PREPARE ? new Map() : undefined
  let queued: Statement[] = []
  let pipeline: Pipeline | undefined
  let retirement: NodeJS.Timeout | undefined
  let isExpired = false
  let inTransaction = false
  const sendQueued = () => {
    pipeline = queued.length > 0 ? new Pipeline(queued, prepared, destroy) : undefined
    queued = []
    if (pipeline) wireOf(client).stream.write(pipeline.encode())
  }
  const onMessage: OnMessage = (type, bytes, start, end) => {
    if (!connection.isOpen || type === Type.notice || type === Type.notification) return
    if (type === Type.readyForQuery && pipeline) {
      inTransaction = bytes[start] !== IDLE
      pipeline.finish(inTransaction)
      if (connection.isOpen) sendQueued()
    }
    // It reports that a setting that changes the meaning of data (encoding, time zone …) has changed.
    else if (type === Type.parameterStatus) destroy()
    else if (pipeline) pipeline.receive(type, bytes, start, end)
    else destroy(unavailable(type === Type.error ? readError(bytes, start, end) : undefined))
  }
  /** After the login, read the messages without pg, which is slower and emits an event for each. */
  const takeOver = () => {
    const { stream } = wireOf(client)
    stream.removeAllListeners('data').on('data', createMessageReader(onMessage))
  }
  const destroy = (fault: Error = unavailable()) => {
    if (!connection.isOpen) return
    connection.isOpen = false
    clearTimeout(retirement)
    onEnd()
    socket.destroy()
    const reason = connection.committing ? unknownOutcome(fault) : fault
    connection.onLost?.(reason)
    pipeline?.fail(reason)
    for (const { reject } of queued) reject(reason)
  }
  client.on('error', (cause) => destroy(unavailable(cause)))
  /** Connections are replaced at times of their own, so that a moved host name is followed without a storm. */
  const retireLater = () => {
    const maxAge = config.DATABASE_CONNECTION_MAX_AGE_MS
    if (maxAge > 0)
      retirement = setTimeout(
        () => {
          isExpired = true
          if (!connection.onLost) destroy()
        },
        randomInt(Math.ceil(maxAge * 0.75), maxAge + 1),
      ).unref()
  }
  const checkServer = watchServerState(wireOf(client), async () => {
    const { rows } = await client.query(
      "select pg_is_in_recovery() or current_setting('default_transaction_read_only')::boolean as read_only",
    )
    return rows[0].read_only
  })
  const connect = async () => {
    if (socket.destroyed) throw new Error('The pool was closed')
    await client.connect()
    await checkServer()
    takeOver()
    retireLater()
  }
  const opened = limiter.run(connect).catch((cause) => {
    destroy(unavailable(cause))
    throw unavailable(cause)
  })
  const connection: Connection = {
    opened,
    isOpen: true,
    get reusable() {
      return !isExpired && !pipeline && !inTransaction
    },
    sharded: config.DATABASE_SHARDED,
    onLost: undefined,
    committing: false,
    send(statements) {
      queued.push(...statements)
      if (!pipeline) sendQueued()
    },
    destroy: () => destroy(),
    abort() {
      cancelStatement(client)
      destroy()
    },
  }
  return connection
}

const CANCEL_REQUEST = 80877102
const CANCEL_TIMEOUT_MS = 1000

/**
 * Asks the server to cancel the running statement, over a second connection (PostgreSQL manual, 54.2.9). The server does
 * not confirm it, so the first connection must not be used afterwards.
 */
export function cancelStatement({ host, port, ...client }: Client): void {
  const { processID, secretKey } = client as unknown as { processID: number | null; secretKey: number }
  if (processID === null) return
  const request = Buffer.alloc(16)
  for (const [index, word] of [request.length, CANCEL_REQUEST, processID].entries())
    request.writeInt32BE(word, index * 4)
  request.writeInt32BE(secretKey, 12)
  const socket = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host)
  socket.on('error', socket.destroy)
  socket.setTimeout(CANCEL_TIMEOUT_MS, socket.destroy)
  socket.end(request)
}
