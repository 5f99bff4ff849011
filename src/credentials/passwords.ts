import { availableParallelism } from 'node:os'
import { genSaltSync, getRounds } from 'bcryptjs'
import fp from 'fastify-plugin'
import { Piscina } from 'piscina'
import type { Config } from '../config.ts'
import { invalidMember, overloaded } from '../http/errors.ts'
import { toOpaqueString } from '../http/text.ts'
import { containsLocalPart, isPossible, toBcryptInput } from './password-text.ts'

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
   * @throws {ApiError} invalid_request (400) when it is among the most common ones, or contains the local part of the
   *   account's email; overloaded (503)
   */
  hashNew(password: string, email: string, pointer: string): Promise<string>
  /**
   * The hash to compare with a stored one; one that equals no stored hash when nobody can have this password.
   * @param salt of the stored hash; without it as much work is done, so that time does not reveal whether there is one
   * @throws {ApiError} overloaded (503)
   */
  hashToCompare(password: string, salt: string | null | undefined): Promise<string>
  /** The hash to replace a stored one of another cost; undefined when its cost is the configured one. */
  rehash(password: string, hash: string): Promise<string | undefined>
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
      cost,
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
      // Nobody's password is empty, so its hash equals no stored one.
      hashToCompare: (password, salt) =>
        hash(
          isPossible(password) ? toBcryptInput(password) : '',
          ...saltsOfWork(salt ?? genSaltSync(cost), cost),
        ),
      async rehash(password, old) {
        return getRounds(old) === cost ? undefined : hash(toBcryptInput(password), genSaltSync(cost))
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
