import { availableParallelism } from 'node:os'
import { extname } from 'node:path'
import { genSaltSync } from 'bcryptjs'
import { Piscina } from 'piscina'
import { overloaded } from '../errors.ts'

/** How many hashes may wait: at cost 12, some eight seconds' work for one thread. */
const MAX_QUEUE = 32

export interface Passwords {
  /**
   * The bcrypt hash of a password, computed in a worker thread.
   * @param password at most 72 bytes, bcrypt's limit: more would be ignored
   * @param salt of a stored hash, to compare with; a new one of the configured cost when absent
   * @throws {ApiError} overloaded (503) when too many are waiting
   */
  hash(password: string, salt?: string | null): Promise<string>
  close(): Promise<void>
}

/** bcrypt ignores what comes after 72 bytes: a longer password is nobody's. */
export const isTooLong = (password: string) => Buffer.byteLength(password) > 72

/** @param cost of new hashes: the logarithm of bcrypt's rounds */
export function createPasswords(cost: number): Passwords {
  const pool = new Piscina({
    // .ts when run from the sources, .js when compiled.
    filename: new URL(`./worker${extname(import.meta.url)}`, import.meta.url).href,
    minThreads: 0,
    // One core is left to the event loop.
    maxThreads: Math.max(1, availableParallelism() - 1),
    idleTimeout: 60_000,
  })
  return {
    async hash(password, salt) {
      if (pool.queueSize >= MAX_QUEUE) throw overloaded()
      return pool.run({ password, salt: salt ?? genSaltSync(cost) })
    },
    close: () => pool.destroy(),
  }
}
