import { setTimeout } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { withEmbeddedDatabase } from '../db/embedded/with-embedded-database.ts'
import { buildApp } from './app.ts'
import { type Config, loadConfig, loadEnvironment, packageInfo } from './config.ts'
import { explainConnectionError } from './database/connection-errors.ts'
import { findReadinessFaults } from './service/readiness.ts'

/** Connections that wait to be taken, so that a burst of them need not try again a second later; the kernel may keep fewer. */
const BACKLOG = 4096

/** Listens, or throws one sentence that says why it cannot. */
async function serve(config: Config): Promise<FastifyInstance> {
  const app = await buildApp(config)
  try {
    const faults = await findReadinessFaults(app.database).catch((cause) => {
      throw new Error(explainConnectionError(cause, config.DATABASE_URL, 'DATABASE_URL'), { cause })
    })
    if (faults.length > 0) throw new Error(`This database cannot be used. ${faults.join(' ')}`)
    await app
      .listen({ port: config.PORT, host: config.HOST, backlog: BACKLOG })
      .catch((error: NodeJS.ErrnoException) => {
        const taken = error.code === 'EADDRINUSE'
        const inUse = `The port ${config.PORT} is in use: set PORT to another one.`
        throw new Error(taken ? inUse : error.message, { cause: error })
      })
    return app
  } catch (error) {
    await app.close()
    throw error
  }
}

function announce(app: FastifyInstance, psql: string | undefined): void {
  const lines = [
    `The TODO API ${packageInfo.version} is ready.`,
    `  API      ${app.listeningOrigin}`,
    `  Explorer ${app.listeningOrigin}/docs`,
    ...(psql ? [`  Database ${psql}`, '  Ctrl-C stops both.'] : []),
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}

async function main(): Promise<void> {
  // From the first moment, and every time: a signal must not end the process before the database is stopped.
  const signal = new Promise<string>((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, resolve)
  })
  loadEnvironment()
  const { env, psql, stop } = await withEmbeddedDatabase(process.env)
  try {
    const config = loadConfig(env)
    const app = await serve(config)
    if (config.NODE_ENV !== 'production') announce(app, psql)
    const name = await signal
    // Until load balancers have seen that it is not ready, and send nothing more. Ctrl-C does not wait.
    app.leaving = true
    if (name === 'SIGTERM') await setTimeout(config.SHUTDOWN_DELAY_MS)
    const grace = globalThis.setTimeout(() => app.server.closeAllConnections(), config.SHUTDOWN_GRACE_MS)
    await app.close()
    clearTimeout(grace)
  } finally {
    await stop()
  }
}

try {
  await main()
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`)
  process.exitCode = 1
}
