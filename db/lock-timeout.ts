/**
 * For a migration's connection. Whoever waits for a lock on a table keeps all others waiting: a migration gives up
 * first. No transaction of the API is as long, so that an index made concurrently gets past them.
 */
export const lockTimeout = { PGOPTIONS: '-c lock_timeout=15s' }
