import type { EventEmitter } from 'node:events'

/** SQLSTATE read_only_sql_transaction. */
export const READ_ONLY_SERVER = '25006'

/** Reported when a connection starts (PostgreSQL manual, 54.2.7), and when they change. */
const READ_ONLY_PARAMETERS = ['in_hot_standby', 'default_transaction_read_only']

/**
 * Watches whether a server is a standby or otherwise read-only, like libpq's target_session_attrs=read-write: reads
 * there could show sessions that have been revoked on the primary.
 * @param wire emits the server's messages; it must not have connected yet
 * @param isReadOnly asks the server. It is used when the server is reported as read-only, because PgBouncer repeats what
 *   a server reported long ago
 * @returns a function that throws when the server is read-only
 */
export function watchServerState(
  wire: EventEmitter,
  isReadOnly: () => Promise<boolean>,
): () => Promise<void> {
  let reported = false
  wire.on('parameterStatus', ({ parameterName: name, parameterValue: value }) => {
    if (READ_ONLY_PARAMETERS.includes(name) && value === 'on') reported = true
  })
  return async () => {
    if (reported && (await isReadOnly()))
      throw Object.assign(new Error('The database server is read-only'), { code: READ_ONLY_SERVER })
  }
}
