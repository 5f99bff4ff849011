import { importBuild } from '../../bench/build.ts'
import { startTemporary } from '../../support/temporary-postgres.ts'

const { buildApp } = await importBuild<typeof import('../../../src/app.ts')>('app')
const { loadConfig } = await importBuild<typeof import('../../../src/config.ts')>('config')

/** Runs work on the production build and a database of its own; nothing is left of either. */
export async function withService(
  work: (url: string, databaseUrl: string, psql: string) => Promise<void>,
): Promise<void> {
  // What it loses in a crash is not missed.
  const { databaseUrl, jwtSecret, psql, stop } = await startTemporary(['fsync=off'])
  const own = { DATABASE_URL: databaseUrl, JWT_SECRET: jwtSecret, LOG_LEVEL: 'silent' }
  // Nothing that a service beside this one uses; and no refusals because the story, too, runs in this process.
  const alone = { REDIS_URL: '', ADMIN_PORT: '', EVENT_LOOP_DELAY_LIMIT_MS: '0' }
  await serve({ ...process.env, ...own, ...alone }, (url) => work(url, databaseUrl, psql)).finally(stop)
}

async function serve(env: NodeJS.ProcessEnv, work: (url: string) => Promise<void>): Promise<void> {
  const app = await buildApp(loadConfig(env))
  try {
    await work(await app.listen({ port: 0, host: '127.0.0.1' }))
  } finally {
    await app.close()
  }
}
