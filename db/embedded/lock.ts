import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { inheritOwner } from './files.ts'

interface Locks {
  tryLock(file: number, offset: number, length: number): boolean
}

/** Beyond the text of the file, because on Windows locked bytes cannot be read. */
const LOCKED_BYTE = 1_000_000

/**
 * Locks a folder for this process. The kernel releases the lock when the process ends in any way; process IDs, which are
 * reused, play no role.
 * @returns a function that releases the lock; it can be called more than once
 * @throws {Error} a one-line message when another process holds the lock
 */
export function lockFolder(folder: string): () => void {
  const { tryLock }: Locks = createRequire(import.meta.url)('fs-native-extensions')
  // Never delete it: two processes could then lock two files of the same name.
  const path = join(folder, 'lock')
  const file = openSync(path, 'a+', 0o600)
  try {
    inheritOwner(path)
    if (!tryLock(file, LOCKED_BYTE, 1)) {
      const holder = readFileSync(path, 'utf8').trim()
      throw new Error(
        `The data folder ${folder} is in use by process ${holder}: stop that process, or set DATA_DIR to another folder.`,
      )
    }
    // The process ID is only for the message above.
    ftruncateSync(file)
    writeSync(file, `${process.pid}\n`)
  } catch (error) {
    closeSync(file)
    throw error
  }
  let locked = true
  return () => {
    if (locked) closeSync(file)
    locked = false
  }
}
