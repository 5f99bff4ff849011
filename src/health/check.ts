import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { DatabaseError } from 'pg'
import type { Database } from '../database/database.ts'
import { found } from '../http/errors.ts'
import { findRoleFaults, getSchemaVersion, hasContextKey } from './sql.ts'

const root = dirname(createRequire(import.meta.url).resolve('todo-api/package.json'))
/** The migrations that this API was built for. */
const newest = String(readdirSync(join(root, 'db/migrations')).sort().at(-1)).replace(/_.*/, '')

/** SQLSTATE: undefined function, undefined schema, no privilege: what an unmigrated database answers. */
const unmigrated = ['42883', '3F000', '42501']

/**
 * What keeps the API from serving, a sentence each, for the operator and never for a client; empty
 * when the role and the migrations are as they must be.
 * @throws {ApiError} unavailable (503) when the database cannot be reached
 */
export async function findFaults(database: Database): Promise<string[]> {
  const faults = (await database.withoutUser(findRoleFaults)).map(({ fault }) => fault)
  if (faults.length > 0) return faults
  try {
    if (found(await database.withoutUser(getSchemaVersion)).version >= newest) {
      if (found(await database.withoutUser(hasContextKey)).exists) return []
      return ['There is no key to seal the context with: run "select app.rotate_context_key()" as the owner.']
    }
  } catch (error) {
    if (!(error instanceof DatabaseError && unmigrated.includes(`${error.code}`))) throw error
  }
  return [`The migration ${newest} has not been applied: run npm run db:migrate.`]
}
