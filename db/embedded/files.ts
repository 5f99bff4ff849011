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

/** Marks files that a killed process may leave behind; a later start deletes them. */
const UNFINISHED = '.unfinished-'

/** A path beside another one, to be renamed to it when complete. */
export const unfinishedPath = (path: string) => `${path}${UNFINISHED}${randomUUID()}`

/** Deletes unfinished files of earlier starts. The caller must hold the lock of the folder. */
export function removeUnfinished(folder: string): void {
  for (const name of readdirSync(folder).filter((name) => name.includes(UNFINISHED))) {
    try {
      rmSync(join(folder, name), { recursive: true, force: true })
    } catch {
      // An initdb that outlived its service may still be writing: the next start deletes it.
    }
  }
}

/** Gives a path the owner of its folder, so that files created by root stay usable for that user. */
export function inheritOwner(path: string): void {
  const { uid, gid } = statSync(dirname(path))
  if (process.getuid?.() === 0) chownSync(path, uid, gid)
}

/** Writes a file that only its owner can read, atomically: after a crash it has the old content or the new one. */
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

/** Makes a rename survive a power failure. Windows cannot open folders. */
export function syncFolder(folder: string): void {
  if (process.platform !== 'win32') {
    const file = openSync(folder, 'r')
    fsyncSync(file)
    closeSync(file)
  }
}

const advice: Record<string, (uid: number | undefined) => string> = {
  ENOSPC: () =>
    'cannot be written because its disk is full: free some space, or set DATA_DIR to a folder on another disk.',
  EROFS: () =>
    'is on a read-only file system: set DATA_DIR to a writable folder, or DATABASE_URL to a PostgreSQL server.',
  EACCES: (uid) =>
    `cannot be read and written by user ${uid}: start the service as the owner of the folder, change its owner with chown -R, or set DATA_DIR to another folder.`,
  ENOTDIR: () => 'is not a folder: set DATA_DIR to a folder.',
}
advice.EDQUOT = advice.ENOSPC as never
advice.EPERM = advice.EACCES as never
advice.EEXIST = advice.ENOTDIR as never

/** Explains a file system error in one sentence with what to do; returns other errors unchanged. */
export function explainFileError(error: unknown, folder: string): unknown {
  const message = advice[`${(error as NodeJS.ErrnoException).code}`]
  if (!message) return error
  return new Error(`The data folder ${folder} ${message(process.getuid?.())}`, { cause: error })
}
