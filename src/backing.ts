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
  const { databaseUrl, jwtSecret, psql, stop } = await startEmbedded(env.DATA_DIR || '.data')
  const defaults = { HOST: '127.0.0.1', JWT_SECRET: jwtSecret }
  return { env: { ...defaults, ...env, DATABASE_URL: databaseUrl }, psql, stop }
}
