import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { v7 as uuidv7 } from 'uuid'
import type { Config } from '../config.ts'
import { sha256 } from '../credentials/opaque-tokens.ts'
import {
  createRecoveryCodes,
  createSeed,
  createSeedBox,
  findStep,
  parseCode,
  proveSeed,
  toBase32,
  toOtpauthUrl,
  toRecoverySecret,
} from '../credentials/totp.ts'
import {
  ApiError,
  firstOrNotFound,
  invalidMember,
  loginRequired,
  notFound,
  unauthorized,
} from '../http/errors.ts'
import { BODY, problems, Ref, TOKEN } from '../http/schemas.ts'
import { RecoveryCodes, SecondFactor, TotpConfirmation, TotpRemoval, TotpSeed } from './schema.ts'
import {
  confirmTotp,
  findPendingSeed,
  getPasswordSalt,
  getSecondFactor,
  removeTotp,
  startTotp,
} from './sql.ts'

/** The second factor: codes of an authenticator app (TOTP, RFC 6238). */
const totp: FastifyPluginAsyncTypebox<{ config: Config; now: () => number }> = async (
  app,
  { config, now },
) => {
  for (const schema of [SecondFactor, TotpSeed, TotpConfirmation, TotpRemoval, RecoveryCodes])
    app.addSchema(schema)
  app.addFeature({ name: 'second factor', description: 'Codes of an authenticator app at every login.' })
  const tags = ['second factor']
  const scope = 'account' as const
  const seedBox = createSeedBox(config)

  app.get(
    '/me/totp',
    {
      config: { scope },
      schema: {
        operationId: 'getSecondFactor',
        tags,
        summary: 'Show whether there is a second factor',
        description: 'And how many recovery codes are left.',
        response: { 200: Ref(SecondFactor), ...problems(400, ...TOKEN) },
      },
    },
    async (request) => firstOrNotFound(await request.withUser(getSecondFactor)),
  )

  app.post(
    '/me/totp',
    {
      config: { scope },
      schema: {
        operationId: 'startTotp',
        tags,
        summary: 'Create a seed for an authenticator app',
        description:
          'Requires a login within the last ten minutes. Nothing changes before the first code of the app is sent to `POST /me/totp/confirm`. A new seed replaces one that was not confirmed. 404 where the operator offers no second factor.',
        response: { 201: Ref(TotpSeed), ...problems(400, ...TOKEN, 404, 409) },
      },
    },
    async (request, reply) => {
      if (!seedBox.hasKey)
        throw new ApiError('not_found', { detail: 'This installation offers no second factor.' })
      const seed = createSeed()
      const sealed = seedBox.seal(seed, request.credential.user_id)
      const { started, email } = firstOrNotFound(
        await request.withUser((tx) => startTotp(tx, sealed, sha256(proveSeed(seed)))),
      )
      if (!started) {
        const { enabled } = firstOrNotFound(await request.withUser(getSecondFactor))
        throw enabled ? new ApiError('totp_enabled') : loginRequired()
      }
      reply.code(201)
      return { secret: toBase32(seed), otpauth_url: toOtpauthUrl(seed, config.JWT_ISSUER, email) }
    },
  )

  app.post(
    '/me/totp/confirm',
    {
      config: { scope },
      schema: {
        operationId: 'confirmTotp',
        tags,
        summary: 'Turn on the second factor with a first code',
        description:
          'Requires a login within the last ten minutes. Every login then needs a code; every other session ends. Keep the recovery codes, which are shown only in this response: they are the way in when the device is lost.',
        body: Ref(TotpConfirmation),
        response: { 200: Ref(RecoveryCodes), ...problems(...BODY, ...TOKEN, 404) },
      },
    },
    async (request) => {
      const { sealed_seed } = firstOrNotFound(await request.withUser(findPendingSeed))
      const { seed } = seedBox.open(sealed_seed, request.credential.user_id)
      const { digits = '' } = parseCode(request.body.code)
      const step = findStep(seed, digits, now())
      if (step === undefined)
        throw invalidMember('/code', 'wrong_code', 'is not the code that the app shows now')
      const recovery_codes = createRecoveryCodes()
      const confirmation = {
        proof: proveSeed(seed),
        step,
        recoveryHashes: recovery_codes.map((code) => sha256(toRecoverySecret(code))),
        eventId: uuidv7(),
      }
      const { confirmed } = firstOrNotFound(
        await request.withUser((tx) => confirmTotp(tx, confirmation, request.client)),
      )
      if (!confirmed) throw loginRequired()
      return { recovery_codes }
    },
  )

  app.delete(
    '/me/totp',
    {
      config: { scope, limit: 'login' },
      schema: {
        operationId: 'removeTotp',
        tags,
        summary: 'Turn off the second factor',
        description:
          'Requires the current password and a login within the last ten minutes, and has the rate limits of a login. The recovery codes stop working.',
        body: Ref(TotpRemoval),
        response: {
          204: Type.Null({ description: 'The second factor is off.' }),
          ...problems(...BODY, ...TOKEN, 404),
        },
      },
    },
    async (request, reply) => {
      const { salt } = firstOrNotFound(
        await request.withUser((tx) => getPasswordSalt(tx, app.passwords.cost)),
      )
      const hash = await app.passwords.hashToCompare(request.body.current_password, salt)
      const { outcome } = firstOrNotFound(
        await request.withUser((tx) => removeTotp(tx, hash, uuidv7(), request.client)),
      )
      if (outcome === 'login_required') throw loginRequired()
      if (outcome === 'wrong_password') throw unauthorized('invalid_credentials')
      if (outcome === 'not_found') throw notFound()
      return reply.code(204).send(null)
    },
  )
}
export default totp
