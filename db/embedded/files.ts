import { randomUUID } from 'node:crypto'
import {
  chownSync,
  closeSync,
  fsyncSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'

/** What a process that was killed leaves behind; a later start removes it. */
const UNFINISHED = '.unfinished-'

/** A path beside another one, for what is renamed to it when it is complete. */
export const unfinishedPath = (path: string) => `${path}${UNFINISHED}${randomUUID()}`

/** Removes what earlier starts did not finish. Only for the process that holds the lock of the folder. */
export function removeUnfinished(folder: string): void {
  for (const name of readdirSync(folder).filter((name) => name.includes(UNFINISHED))) {
    try {
      rmSync(join(folder, name), { recursive: true, force: true })
    } catch {
      // An initdb that outlived its service may still be writing there: the next start removes it.
    }
  }
}

/** Gives a path to the owner of its folder: what root writes in a user's folder stays that user's. */
export function inheritOwner(path: string): void {
  const { uid, gid } = statSync(dirname(path))
  if (process.getuid?.() === 0) chownSync(path, uid, gid)
}

/** Writes a file that only its owner may read. After a crash or a power cut it is the old one or the new one. */
export function writeSecretFile(path: string, text: string): void {
  const unfinished = unfinishedPath(path)
  try {
    writeFileSync(unfinished, text, { mode: 0o600, flag: 'wx', flush: true })
    inheritOwner(unfinished)
    renameSync(unfinished, path)
  } catch (error) {
    rmSync(unfinished, { force: true })
    throw error
  }
  syncFolder(dirname(path))
}

/** Makes a rename survive a power cut. Windows cannot open a folder. */
export function syncFolder(folder: string): void {
  if (process.platform !== 'win32') {
    const file = openSync(folder, 'r')
    fsyncSync(file)
    closeSync(file)
  }
}

const advice: Record<string, (uid: number | undefined) => string> = {
  ENOSPC: () =>
    'cannot be written because its disk is full: make space, or set DATA_DIR to a folder on another disk.',
  EROFS: () =>
    'is on a read-only file system: set DATA_DIR to a folder that can be written, or DATABASE_URL to a PostgreSQL server.',
  EACCES: (uid) =>
    `cannot be read and written by user ${uid}: start the service as the owner of the folder and its files, give them to this user with chown -R, or set DATA_DIR to another folder.`,
  ENOTDIR: () => 'is not a folder: set DATA_DIR to a folder.',
}
advice.EDQUOT = advice.ENOSPC as never
advice.EPERM = advice.EACCES as never
advice.EEXIST = advice.ENOTDIR as never

/** An error of the file system as one sentence that says what to do; any other error as it is. */
export function explainFileError(error: unknown, folder: string): unknown {
  const sentence = advice[`${(error as NodeJS.ErrnoException).code}`]
  if (!sentence) return error
  return new Error(`The data folder ${folder} ${sentence(process.getuid?.())}`, { cause: error })
}
