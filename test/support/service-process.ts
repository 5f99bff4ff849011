import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import type { Test } from 'tap'
import { testing } from './app.ts'

const { JWT_SECRET, ...patient } = testing

export { JWT_SECRET }
/** The configuration of a service whose clients wait for its timeouts. */
export const quiet = {
  ...patient,
  STATEMENT_TIMEOUT_MS: '5000',
  IDLE_TIMEOUT_MS: '',
  CONNECT_TIMEOUT_MS: '5000',
  POOL_TIMEOUT_MS: '5000',
  TRANSACTION_TIMEOUT_MS: '8000',
}
/** The bounds as they are by default, whatever other tests need. */
export const defaultBounds = {
  STATEMENT_TIMEOUT_MS: '',
  CONNECT_TIMEOUT_MS: '',
  POOL_TIMEOUT_MS: '',
  TRANSACTION_TIMEOUT_MS: '',
  EVENT_LOOP_DELAY_LIMIT_MS: '',
}

/** The production build in the end-to-end tests, the sources elsewhere: those need no build. */
const program = (folder: string) =>
  process.env.TEST_BUILD
    ? [join(folder, 'dist/src/server.js')]
    : ['--import', import.meta.resolve('./strip-types.mjs'), join(folder, 'src/server.ts')]

/**
 * Starts the server as its own process, in an empty folder, on a free port.
 * @param version the folder of the build
 */
export function start(t: Test, env: Record<string, string>, cwd = t.testdir(), version = process.cwd()) {
  const server = spawn(process.execPath, program(version), {
    cwd,
    env: {
      ...process.env,
      PORT: '0',
      ...quiet,
      ...env,
    },
  })
  const said = { out: '', err: '' }
  server.stdout.on('data', (data) => (said.out += data))
  server.stderr.on('data', (data) => (said.err += data))
  const ended = new Promise<number | null>((resolve) => server.once('close', resolve))
  t.teardown(async () => {
    server.kill('SIGINT')
    await ended
  })
  /** The address of the API, once it has said that it is ready. */
  const ready = async () => {
    while (!said.out.includes('Explorer')) {
      const early = await Promise.race([
        ended,
        new Promise<undefined>((resolve) => server.stdout.once('data', () => resolve(undefined))),
      ])
      if (early !== undefined) throw new Error(`ended with ${early}: ${said.err}`)
    }
    return / {2}API +(\S+)/.exec(said.out)?.[1] ?? ''
  }
  return { server, said, ended, ready, cwd }
}
export const stop = (server: ChildProcess, ended: Promise<number | null>, signal: NodeJS.Signals) => {
  server.kill(signal)
  return ended
}
export const post = (url: string, body: object) =>
  fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
