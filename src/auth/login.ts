import type { FastifyInstance } from 'fastify'
import { v7 as uuidv7 } from 'uuid'
import type { Config } from '../config.ts'
import { foldEmail } from '../credentials/email.ts'
import { createSecret, createSessionSecret, sha256 } from '../credentials/opaque-tokens.ts'
import { createSeedBox, findStep, parseCode, proveSeed } from '../credentials/totp.ts'
import { ApiError, firstOrNotFound, unauthorized, unavailable } from '../http/errors.ts'
import { type Client, scopes } from '../http/schemas.ts'
import type { Login } from './schema.ts'
import { type CodeProof, findPasswordSalt, openSession, replaceHash } from './sql.ts'

const WRONG_CODE: CodeProof = { step: 0 }

/** Returns the login: it checks the password, then the code of a user with a second factor, and opens a session. */
export function createLogin(app: FastifyInstance, config: Config, now: () => number) {
  const seedBox = createSeedBox(config)

  function checkDigits(digits: string, sealedSeed: Buffer, userId: string): CodeProof {
    const { seed, isStale } = openSeed(sealedSeed, userId)
    const step = findStep(seed, digits, now())
    if (step === undefined) return WRONG_CODE
    return { proof: proveSeed(seed), step, resealedSeed: isStale ? seedBox.seal(seed, userId) : undefined }
  }

  function openSeed(sealedSeed: Buffer, userId: string) {
    try {
      return seedBox.open(sealedSeed, userId)
    } catch (error) {
      throw unavailable(error)
    }
  }

  /**
   * @throws {ApiError} invalid_credentials, code_required, invalid_code (401), account_locked (403), rate_limited (429),
   *   overloaded, unavailable (503)
   */
  return async ({ password, ...body }: Login, client: Client) => {
    const email = foldEmail(body.email)
    const [known] = await app.database.withoutUser((tx) => findPasswordSalt(tx, email, app.passwords.cost))
    const hash = await app.passwords.hashToCompare(password, known?.salt)
    const [id, secret, refreshSecret] = [uuidv7(), createSessionSecret(), createSecret()]
    const newSession = {
      id,
      secretHash: sha256(secret),
      seconds: Math.min(config.REFRESH_TOKEN_TTL, config.SESSION_MAX_AGE),
      scopes,
      refreshHash: sha256(refreshSecret),
      eventId: uuidv7(),
    }
    const open = async (proof: CodeProof) =>
      firstOrNotFound(
        await app.database.withoutUser((tx) => openSession(tx, email, hash, newSession, proof, client)),
      )

    const { digits, recovery } = parseCode(body.code ?? '')
    // The seed is needed to check digits, and the database returns it only once the password is right.
    let login = await open(recovery ? { recoveryCode: recovery } : digits || !body.code ? {} : WRONG_CODE)
    if (login.outcome === 'code_required' && digits && login.sealed_seed)
      login = await open(checkDigits(digits, login.sealed_seed, login.user_id))
    refuseUnlessOpened(login)

    const { user_id } = login
    const newHash = await app.passwords.rehash(password, hash)
    if (newHash) {
      const credential = { user_id, session_id: id, secret }
      await app.database.withUser(credential, 'read write', (tx) => replaceHash(tx, hash, newHash))
    }
    return { user_id, id, secret, refreshSecret }
  }
}

function refuseUnlessOpened({ outcome, retry_after }: Awaited<ReturnType<typeof openSession>>[number]): void {
  if (outcome === null) throw unauthorized('invalid_credentials')
  if (outcome === 'locked') throw new ApiError('account_locked')
  if (outcome === 'code_required') throw unauthorized('code_required')
  if (outcome === 'code_wrong') throw unauthorized('invalid_code')
  if (outcome === 'code_limited')
    throw new ApiError('rate_limited', {
      detail: `The account had 5 wrong codes in 15 minutes; retry after ${retry_after} s.`,
      headers: { 'retry-after': String(retry_after) },
    })
}
