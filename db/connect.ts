import { join } from 'node:path'
import { Client } from 'pg'
import postgres, { type Sql } from 'postgres'
import { isDatabaseUrl, loadEnvironment } from '../src/config.ts'
import { explainConnectionError } from '../src/database/connection-errors.ts'

/** The database of a command, and the variable that named it. */
export interface Target {
  name: 'MIGRATION_DATABASE_URL' | 'DATABASE_URL'
  url: string
  /** Whether it is the embedded database, which runs as long as the service. */
  embedded: boolean
}

/**
 * Reads .env, and says where a command goes: the owner's URL, or else the API's.
 * @throws {Error} one sentence that says what to do when there is none
 */
export function findTarget(
  names: readonly Target['name'][] = ['MIGRATION_DATABASE_URL', 'DATABASE_URL'],
): Target {
  const embedded = loadDatabaseEnvironment()
  const name = names.find((name) => process.env[name])
  if (!name)
    throw new Error(
      `There is no database: start the service, which runs one, or set ${names[0]} to the URL of the schema's owner.`,
    )
  const url = `${process.env[name]}`
  if (!isDatabaseUrl(url))
    throw new Error(
      `${name} must be a URL like postgres://user:password@host:5432/database, with special characters in the password percent-encoded.`,
    )
  return { name, url, embedded: embedded.includes(name) }
}

/**
 * Reads .env and, where the embedded database runs, the file with its URLs; variables that are set already win.
 * @returns the variables that come from the embedded database
 */
function loadDatabaseEnvironment(): Target['name'][] {
  const names = ['MIGRATION_DATABASE_URL', 'DATABASE_URL'] as const
  loadEnvironment()
  const given = names.filter((name) => process.env[name])
  loadEnvironment([join(process.env.DATA_DIR || '.data', 'env')])
  return names.filter((name) => process.env[name] && !given.includes(name))
}

/**
 * Opens a connection for a command, and closes it afterwards.
 * @throws {Error} one sentence that says why it cannot be opened
 */
export async function withConnection<T>(target: Target, use: (sql: Sql) => Promise<T>): Promise<T> {
  await probe(target)
  const sql = postgres(target.url, { max: 1, connect_timeout: 5, onnotice: () => {} })
  try {
    return await use(sql)
  } finally {
    await sql.end()
  }
}

/** With pg, because postgres.js tries again for ever when a server closes its connections. */
async function probe({ name, url, embedded }: Target): Promise<void> {
  const compatible = new URL(url)
  // In pg alone, sslmode=require otherwise means verify-full.
  compatible.searchParams.set('uselibpqcompat', 'true')
  const client = new Client({ connectionString: compatible.href, connectionTimeoutMillis: 5000 })
  client.on('error', () => {})
  try {
    await client.connect()
  } catch (cause) {
    const stopped = embedded && (cause as NodeJS.ErrnoException).code === 'ECONNREFUSED'
    const sentence = stopped
      ? `The embedded database is not running: start the service, or set ${name}.`
      : explainConnectionError(cause, url, name)
    throw new Error(sentence, { cause })
  } finally {
    client.end().catch(() => {})
  }
}
