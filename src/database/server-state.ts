import type { EventEmitter } from 'node:events'

/** SQLSTATE read_only_sql_transaction. */
export const READ_ONLY_SERVER = '25006'

/** Reported when a connection starts (PostgreSQL manual, 54.2.7), and when they change. */
const READ_ONLY_PARAMETERS = ['in_hot_standby', 'default_transaction_read_only']

/**
 * Watches whether a server is a standby or otherwise read-only, like libpq's target_session_attrs=read-write: reads
 * there could show sessions that have been revoked on the primary.
 * @param wire emits the server's messages; it must not have connected yet
 * @returns a function that throws when the server is read-only
 */
export function watchServerState(wire: EventEmitter): () => void {
  const readOnly = new Set<string>()
  wire.on('parameterStatus', ({ parameterName: name, parameterValue: value }) => {
    if (!READ_ONLY_PARAMETERS.includes(name)) return
    if (value === 'on') readOnly.add(name)
    else readOnly.delete(name)
  })
  return () => {
    if (readOnly.size === 0) return
    const message = `The database server is read-only (${[...readOnly].join(', ')})`
    throw Object.assign(new Error(message), { code: READ_ONLY_SERVER })
  }
}
