import { availableParallelism } from 'node:os'
import { genSaltSync, getRounds } from 'bcryptjs'
import fp from 'fastify-plugin'
import { Piscina } from 'piscina'
import type { Config } from '../config.ts'
import { invalidMember, overloaded } from '../http/errors.ts'
import { toOpaqueString } from '../http/text.ts'
import { containsLocalPart, isMostlyServiceName, isPossible, toBcryptInput } from './password-text.ts'

declare module 'fastify' {
  interface FastifyInstance {
    passwords: Passwords
  }
}

export interface Passwords {
  /** The bcrypt cost; each step doubles the work. */
  readonly cost: number
  /**
   * Hashes a new password with bcrypt.
   * @param pointer the JSON Pointer of the password in the body, for the error
   * @throws {ApiError} invalid_request (400) when it is a common password, contains the local part of the account's
   *   email, or has fewer than 8 characters beside the service's name; overloaded (503)
   */
  hashNew(password: string, email: string, pointer: string): Promise<string>
  /**
   * Hashes a password for comparison with a stored hash. An impossible password gets a hash that equals no stored one.
   * @param salt the salt of the stored hash; without one the work is the same, so that timing does not reveal whether
   *   the account exists
   * @throws {ApiError} overloaded (503)
   */
  hashToCompare(password: string, salt: string | null | undefined): Promise<string>
  /** Hashes the password again when the stored hash has another cost than configured; otherwise returns undefined. */
  rehash(password: string, hash: string): Promise<string | undefined>
  /** The number of passwords that wait for a worker. */
  waiting(): number
}

/** Passwords that may wait: at cost 12 about ten seconds of work for one thread. */
const MAX_QUEUE = 32

interface Task {
  password: string
  salts: string[]
  /** The password in lower case, to be rejected if it is common. */
  refuseCommon?: string
}

/** Hashes passwords with bcrypt in worker threads, with a bounded queue. */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    const cost = config.BCRYPT_COST
    const pool = new Piscina({
      filename: new URL('./passwords.worker.mjs', import.meta.url).href,
      execArgv: [],
      minThreads: 0,
      // Leave one core to the event loop.
      maxThreads: Math.max(1, availableParallelism() - 1),
      idleTimeout: 60_000,
    })
    app.addHook('onClose', () => pool.destroy())

    /** @returns the hash; undefined when `refuseCommon` is a common password */
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
        if (isMostlyServiceName(password))
          throw invalidMember(
            pointer,
            'contains_service_name',
            'must have at least 8 characters beside "todo" and "api", the name of the service',
          )
        const made = await run({
          password: toBcryptInput(password),
          salts: [genSaltSync(cost)],
          refuseCommon: toOpaqueString(password).toLowerCase(),
        })
        if (made) return made
        throw invalidMember(pointer, 'common_password', 'is one of the most common passwords')
      },
      // No account has an empty password, so its hash equals no stored one.
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
 * Returns salts that together take as much work as one of the given cost. Otherwise a stored hash of a lower cost would
 * be faster, which reveals that the email exists. One of a higher cost stays slower until its user logs in.
 */
export function saltsOfWork(salt: string, cost: number): string[] {
  const salts = [salt]
  // Hashing once more at the same cost doubles the work, like one step of the cost.
  for (let reached = getRounds(salt); reached < cost; reached++) salts.push(genSaltSync(reached))
  return salts
}
