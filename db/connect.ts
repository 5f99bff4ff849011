import { join } from 'node:path'
import type { ConnectionOptions } from 'node:tls'
import { Client } from 'pg'
import postgres, { type Sql } from 'postgres'
import { isDatabaseUrl } from '../src/config.ts'
import { explainConnectionError } from '../src/database/connection-errors.ts'
import { loadEnvironment } from '../src/environment.ts'

/** The database that a command uses, and the variable that contains its URL. */
export interface Target {
  name: 'MIGRATION_DATABASE_URL' | 'DATABASE_URL'
  url: string
  /** Whether it is the embedded database, which runs only while the service runs. */
  embedded: boolean
}

/**
 * Reads .env and finds the database for a command.
 * @param names the variables to look for, in this order
 * @throws {Error} a one-line message when none is set or its URL is invalid
 */
export function findTarget(
  names: readonly Target['name'][] = ['MIGRATION_DATABASE_URL', 'DATABASE_URL'],
): Target {
  const embedded = loadDatabaseEnvironment()
  const name = names.find((name) => process.env[name])
  if (!name)
    throw new Error(
      `No database is configured: start the service, which runs one, or set ${names[0]} to the URL of the schema owner.`,
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
 * Runs a command with a connection, and closes the connection afterwards.
 * @throws {Error} a one-line message when the connection cannot be opened
 */
export async function withConnection<T>(target: Target, use: (sql: Sql) => Promise<T>): Promise<T> {
  const ssl = await probe(target)
  const url = new URL(target.url)
  // postgres.js ignores sslrootcert, and would send it to the server as a setting.
  for (const name of [...url.searchParams.keys()]) if (name.startsWith('ssl')) url.searchParams.delete(name)
  const sql = postgres(url.href, { max: 1, connect_timeout: 5, ssl, onnotice: () => {} })
  try {
    return await use(sql)
  } finally {
    await sql.end()
  }
}

/**
 * Connects with pg, because postgres.js retries for ever when a server closes its connections.
 * @returns the TLS options that pg reads from the URL
 */
async function probe({ name, url, embedded }: Target): Promise<ConnectionOptions | boolean> {
  const compatible = new URL(url)
  // Without this, pg treats sslmode=require as verify-full.
  compatible.searchParams.set('uselibpqcompat', 'true')
  const client = new Client({ connectionString: compatible.href, connectionTimeoutMillis: 5000 })
  client.on('error', () => {})
  try {
    await client.connect()
    return client.ssl
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
