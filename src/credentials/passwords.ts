import { availableParallelism } from 'node:os'
import { genSaltSync, getRounds } from 'bcryptjs'
import fp from 'fastify-plugin'
import { Piscina } from 'piscina'
import type { Config } from '../config.ts'
import { invalidMember, overloaded, unauthorized } from '../http/errors.ts'

declare module 'fastify' {
  interface FastifyInstance {
    passwords: Passwords
  }
}

export interface Passwords {
  /** bcrypt's cost: each step doubles the work. */
  readonly cost: number
  /**
   * The bcrypt hash of a new password.
   * @param pointer of the body's member that it was in, for the error
   * @throws {ApiError} invalid_request (400) when it is among the most common ones; overloaded (503)
   */
  hashNew(password: string, pointer: string): Promise<string>
  /**
   * The hash to compare with a stored one.
   * @param salt of the stored hash; without it as much work is done, so that time does not tell
   * @throws {ApiError} invalid_credentials (401) when it is too long to be anybody's; overloaded (503)
   */
  hashToCompare(password: string, salt: string | null | undefined): Promise<string>
  /** The hash that is to replace a stored one of another cost; undefined when its cost is the configured one. */
  rehash(password: string, hash: string): Promise<string | undefined>
  /** How many wait for a worker. */
  waiting(): number
}

/** bcrypt uses no more; what comes after would be ignored. */
const MAX_BYTES = 72
const MIN_BYTES = 8
/** How many hashes may wait: at cost 12, some ten seconds' work for one thread. */
const MAX_QUEUE = 32

/** bcrypt in worker threads, with a bounded queue. */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    const cost = config.BCRYPT_COST
    const pool = new Piscina({
      filename: new URL('./passwords.worker.mjs', import.meta.url).href,
      execArgv: [],
      minThreads: 0,
      // One core is left to the event loop.
      maxThreads: Math.max(1, availableParallelism() - 1),
      idleTimeout: 60_000,
    })
    app.addHook('onClose', () => pool.destroy())

    /** Undefined only when a common password is to be refused, and is one. */
    async function run(task: { password: string; salts: string[]; refuseCommon?: boolean }) {
      if (pool.queueSize >= MAX_QUEUE) throw overloaded()
      return (await pool.run(task)) as string | undefined
    }
    const hash = async (password: string, ...salts: string[]) => `${await run({ password, salts })}`

    app.decorate('passwords', {
      cost,
      async hashNew(password, pointer) {
        const made = await run({ password, salts: [genSaltSync(cost)], refuseCommon: true })
        if (made) return made
        throw invalidMember(pointer, 'common_password', 'is one of the most common passwords')
      },
      async hashToCompare(password, salt) {
        if (Buffer.byteLength(password) > MAX_BYTES) throw unauthorized('invalid_credentials')
        if (!salt) return hash(password, genSaltSync(cost))
        // A hash from the time of a lower cost is quicker, and so would tell that there is such a user:
        // 2^old + 2^old + … + 2^(new-1) is as much work as 2^new.
        const filling = Array.from(
          { length: Math.max(0, cost - getRounds(salt)) },
          (_, n) => getRounds(salt) + n,
        )
        return hash(password, salt, ...filling.map((rounds) => genSaltSync(rounds)))
      },
      async rehash(password, old) {
        return getRounds(old) === cost ? undefined : hash(password, genSaltSync(cost))
      },
      waiting: () => pool.queueSize,
    })
  },
  { name: 'passwords' },
)

/** What the schema format `password` means: 8 to 72 bytes in UTF-8. */
export function isPassword(text: string): boolean {
  const bytes = Buffer.byteLength(text)
  return bytes >= MIN_BYTES && bytes <= MAX_BYTES
}
