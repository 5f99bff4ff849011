import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { inheritOwner } from './files.ts'

interface Locks {
  tryLock(file: number, offset: number, length: number): boolean
}

/** Beyond the text of the file, because Windows lets nobody read locked bytes. */
const LOCKED_BYTE = 1_000_000

/**
 * Locks a folder for this process. The kernel releases the lock when the process ends, however it ends: nothing
 * depends on process IDs, which are reused.
 * @returns how to release it; it may be called more than once
 * @throws {Error} one sentence when another process holds the lock
 */
export function lockFolder(folder: string): () => void {
  const { tryLock }: Locks = createRequire(import.meta.url)('fs-native-extensions')
  // Never removed: two processes could otherwise lock two files of the same name.
  const path = join(folder, 'lock')
  const file = openSync(path, 'a+', 0o600)
  try {
    inheritOwner(path)
    if (!tryLock(file, LOCKED_BYTE, 1)) {
      const holder = readFileSync(path, 'utf8').trim()
      throw new Error(
        `The data folder ${folder} is in use by process ${holder}: stop that one, or set DATA_DIR to another folder.`,
      )
    }
    // For the message above only.
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
