import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseError } from 'pg'
import { packageRoot } from '../config.ts'
import type { Database } from '../database/database.ts'
import { firstOrNotFound } from '../http/errors.ts'
import { findCitus, findRoleFaults, getSchemaVersion, hasContextKey, isSharded } from './sql.ts'

/** The version of the newest migration, which this build of the API requires. */
const requiredVersion = String(
  readdirSync(join(packageRoot, 'db/migrations'))
    .filter((file) => file.endsWith('.sql'))
    .sort()
    .at(-1),
).replace(/_.*/, '')

/** Undefined function, undefined schema, insufficient privilege: the errors of a database that is not migrated. */
const NOT_MIGRATED = ['42883', '3F000', '42501']

/**
 * Lists what prevents the API from serving: an unsafe role, missing migrations, a missing key, wrong settings for Citus.
 * @returns one sentence per fault, for the operator and never for a client; empty when ready
 * @throws {ApiError} unavailable (503) when the database cannot be reached
 */
export async function findReadinessFaults(database: Database): Promise<string[]> {
  const faults = (await database.withoutUser(findRoleFaults)).map(({ fault }) => fault)
  if (faults.length > 0) return faults
  try {
    if (firstOrNotFound(await database.withoutUser(getSchemaVersion)).version >= requiredVersion) {
      if (firstOrNotFound(await database.withoutUser(hasContextKey)).exists)
        return await findShardingFaults(database)
      return [
        'The key that signs the user context is missing: run "select app.rotate_context_key()" as the owner.',
      ]
    }
  } catch (error) {
    if (!(error instanceof DatabaseError && NOT_MIGRATED.includes(`${error.code}`))) throw error
  }
  return [`The migration ${requiredVersion} has not been applied: run npm run db:migrate.`]
}

/**
 * Finds settings with which a sharded database fails writes, or silently finds no rows. DATABASE_SHARDED=true on a
 * database that is not sharded only costs a condition.
 */
async function findShardingFaults(database: Database): Promise<string[]> {
  const { installed, passes_on } = firstOrNotFound(await database.withoutUser(findCitus))
  if (!installed || !firstOrNotFound(await database.withoutUser(isSharded)).sharded) return []
  return [
    ...(database.sharded ? [] : ['Citus has sharded the tables: set DATABASE_SHARDED=true.']),
    ...(passes_on
      ? []
      : [
          "The nodes of Citus do not learn the user of a transaction: set citus.propagate_set_commands to local for the API's role, as db/citus.sql does.",
        ]),
  ]
}
