import { setTimeout } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { withEmbeddedDatabase } from '../db/embedded/with-embedded-database.ts'
import { buildApp } from './app.ts'
import { type Config, loadConfig, packageInfo } from './config.ts'
import { explainConnectionError } from './database/connection-errors.ts'
import { findTransportFault } from './database/transport.ts'
import { loadEnvironment } from './environment.ts'
import { makeReadable } from './http/readable-log.ts'
import { findReadinessFaults } from './service/readiness.ts'

/** Connections that may wait to be accepted: in a burst, dropped ones retry only after a second. The kernel may allow fewer. */
const BACKLOG = 4096

/** Starts the API. @throws {Error} a one-line message when the database or the port cannot be used */
async function serve(config: Config): Promise<FastifyInstance> {
  const app = await buildApp(config, { logTo: await makeReadable(process.stdout, config) })
  try {
    const faults = await findReadinessFaults(app.database).catch((cause) => {
      throw new Error(explainConnectionError(cause, config.DATABASE_URL, 'DATABASE_URL'), { cause })
    })
    const transportFault = findTransportFault(config.DATABASE_URL)
    if (transportFault) app.log.warn(transportFault)
    if (faults.length > 0) throw new Error(`The database cannot be used. ${faults.join(' ')}`)
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
    ...(psql ? [`  Database ${psql}`, '  Press Ctrl-C to stop both.'] : []),
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}

async function main(): Promise<void> {
  // Handle every signal from the start, so that none ends the process before the database has stopped.
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
    // Give load balancers time to see that /ready returns 503. Ctrl-C does not wait.
    app.shuttingDown = true
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
