import { availableParallelism } from 'node:os'
import { genSaltSync, getRounds } from 'bcryptjs'
import fp from 'fastify-plugin'
import { Piscina } from 'piscina'
import type { Config } from '../config.ts'
import { invalidMember, overloaded } from '../errors.ts'
import { containsLocalPart, toBcryptCandidates, toBcryptInput } from '../password-text.ts'
import { toOpaqueString } from '../text.ts'

declare module 'fastify' {
  interface FastifyInstance {
    passwords: Passwords
  }
}

export interface Passwords {
  /**
   * The bcrypt hash of a new password.
   * @param pointer of the body's member that it was in, for the error
   * @throws {ApiError} invalid_request (400) when it is among the most common ones, or contains the local part of the
   *   account's email; overloaded (503)
   */
  hashNew(password: string, email: string, pointer: string): Promise<string>
  /**
   * The hashes to compare with a stored one: one of the password, a second when version 1.0 would have hashed it in
   * another form, none when it cannot be anybody's.
   * @param salt of the stored hash; without it as much work is done, so that time does not tell whether there is a user
   * @throws {ApiError} overloaded (503)
   */
  hashToCompare(password: string, salt: string | null | undefined): Promise<string[]>
  /**
   * The hash that is to replace a stored one of another cost, or of the form of version 1.0.
   * @param hashes that were compared with it
   */
  rehash(password: string, hashes: string[]): Promise<{ outdated: string[]; hash: string } | undefined>
  /** How many wait for a worker. */
  waiting(): number
}

/** How many hashes may wait: at cost 12, some ten seconds' work for one thread. */
const MAX_QUEUE = 32

interface Task {
  password: string
  salts: string[]
  /** Refused when it is a common password. */
  refuseCommon?: string
}

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
    async function run(task: Task) {
      if (pool.queueSize >= MAX_QUEUE) throw overloaded()
      return (await pool.run(task)) as string | undefined
    }
    const hash = async (password: string, ...salts: string[]) => `${await run({ password, salts })}`

    app.decorate('passwords', {
      async hashNew(password, email, pointer) {
        if (containsLocalPart(password, email))
          throw invalidMember(
            pointer,
            'contains_email',
            'must not contain the part of the email before the @',
          )
        const made = await run({
          password: toBcryptInput(password),
          salts: [genSaltSync(cost)],
          refuseCommon: toOpaqueString(password).toLowerCase(),
        })
        if (made) return made
        throw invalidMember(pointer, 'common_password', 'is one of the most common passwords')
      },
      async hashToCompare(password, salt) {
        const salts = saltsOfWork(salt ?? genSaltSync(cost), cost)
        const candidates = toBcryptCandidates(password)
        // One is hashed even when none can be right.
        const hashes = await Promise.all(
          (candidates.length > 0 ? candidates : ['']).map((text) => hash(text, ...salts)),
        )
        return hashes.slice(0, candidates.length)
      },
      async rehash(password, hashes) {
        const outdated = hashes.filter((old, index) => index > 0 || getRounds(old) !== cost)
        if (outdated.length === 0) return undefined
        return { outdated, hash: await hash(toBcryptInput(password), genSaltSync(cost)) }
      },
      waiting: () => pool.queueSize,
    })
  },
  { name: 'passwords' },
)

/**
 * The salts to hash a password with, which together take as long as one of the given cost: a stored hash of a lower
 * cost is quicker, which would reveal that the email exists. One of a higher cost, from before BCRYPT_COST was lowered,
 * takes longer until its user logs in.
 */
export function saltsOfWork(salt: string, cost: number): string[] {
  const salts = [salt]
  // Hashing once more at the cost reached so far doubles the work, which is what one step of the cost is.
  for (let reached = getRounds(salt); reached < cost; reached++) salts.push(genSaltSync(reached))
  return salts
}
