import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** Reads .env and, where the embedded database runs, its addresses; what the environment says comes first. */
export function loadEnvironment(): void {
  const files = ['.env', join(process.env.DATA_DIR || '.data', 'env')]
  for (const file of files.filter((name) => existsSync(name))) process.loadEnvFile(file)
}

/**
 * For a migration's connection. Whoever waits for a lock on a table keeps all others waiting: a migration gives up
 * first. No transaction of the API is as long, so that an index made concurrently gets past them.
 */
export const lockTimeout = { PGOPTIONS: '-c lock_timeout=15s' }
