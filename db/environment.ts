import { join } from 'node:path'
import { loadEnvironment } from '../src/environment.ts'
import type { Target } from './connect.ts'

/**
 * Reads .env and, where the embedded database runs, its addresses; what the environment says comes first.
 * @returns the variables that are the embedded database's
 */
export function loadDatabaseEnvironment(): Target['name'][] {
  const names = ['MIGRATION_DATABASE_URL', 'DATABASE_URL'] as const
  loadEnvironment()
  const given = names.filter((name) => process.env[name])
  loadEnvironment([join(process.env.DATA_DIR || '.data', 'env')])
  return names.filter((name) => process.env[name] && !given.includes(name))
}
