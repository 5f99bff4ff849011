import { createHmac } from 'node:crypto'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** What the service needs from the embedded database, if it uses one. */
interface EmbeddedEnvironment {
  /** The variables to configure the service with. */
  env: NodeJS.ProcessEnv
  /** A shell command that opens psql on the embedded database. */
  psql?: string
  stop(): Promise<void>
}

/**
 * Adds the URL of the embedded database to an environment, and starts that database; in production, or when
 * DATABASE_URL is set, it does neither.
 * @throws {Error} a one-line message when the embedded database cannot start
 */
export async function withEmbeddedDatabase(env: NodeJS.ProcessEnv): Promise<EmbeddedEnvironment> {
  if (env.DATABASE_URL || env.NODE_ENV === 'production') return { env, stop: async () => {} }
  // Imported on demand: a production install lacks its packages.
  const { startEmbedded } = await import('./start.ts')
  const folder = env.DATA_DIR || '.data'
  const { databaseUrl, jwtSecret, psql, stop } = await startEmbedded(folder).catch((error) => {
    throw explainMissingPackage(error)
  })
  // Derived, because a folder of an earlier version has no secret for it.
  const totpKey = createHmac('sha256', jwtSecret).update('TOTP_KEY').digest('base64url')
  const defaults = {
    HOST: '127.0.0.1',
    JWT_SECRET: jwtSecret,
    TOTP_KEY: totpKey,
    MAIL_URL: pathToFileURL(join(folder, 'mail')).href,
  }
  return { env: { ...defaults, ...env, DATABASE_URL: databaseUrl }, psql, stop }
}

/** Replaces the error of a missing package by what to do about it; other errors are returned unchanged. */
export function explainMissingPackage(error: Error & { code?: string }): Error {
  if (!/MODULE_NOT_FOUND$/.test(`${error.code}`)) return error
  return new Error(
    'DATABASE_URL must be set, because the embedded database is not installed: to install it, run npm ci --include=dev.',
    {
      cause: error,
    },
  )
}
