import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { v7 as uuidv7 } from 'uuid'
import type { Config } from '../config.ts'
import { foldEmail } from '../credentials/email.ts'
import { type MailedKind, type OpaqueToken, parseToken } from '../credentials/opaque-tokens.ts'
import { ApiError, firstOrNotFound } from '../http/errors.ts'
import { BODY, NoContent, problems, Ref, TOKEN } from '../http/schemas.ts'
import { serveLinkPage } from './page.ts'
import { EmailUndo, EmailVerification, PasswordRequest, PasswordReset } from './schema.ts'
import {
  findResetEmail,
  requestPasswordReset,
  resetPassword,
  sendVerification,
  undoEmailChange,
  verifyEmail,
} from './sql.ts'

const HOUR = '3600'
const mailsLimited = () =>
  new ApiError('rate_limited', {
    detail: 'This account or address has had 5 such mails in an hour, or 20 in a day: retry later.',
    headers: { 'retry-after': HOUR },
  })

/** What works by mailed links: a forgotten password, a confirmed address, an undone change of it. */
const recovery: FastifyPluginAsyncTypebox<{ config: Config }> = async (app, { config }) => {
  for (const schema of [PasswordRequest, PasswordReset, EmailVerification, EmailUndo]) app.addSchema(schema)
  app.addFeature({
    name: 'recovery',
    description: 'What works by mailed links: a forgotten password, and the email address.',
    constraints: {
      mails_limit: mailsLimited,
      users_email_verified: () => new ApiError('email_unverified'),
    },
  })
  serveLinkPage(app, config.BASE_PATH)
  const tags = ['recovery']

  /** @throws {ApiError} invalid_mailed_token (400) */
  function readToken(kind: MailedKind, text: string): OpaqueToken {
    const token = parseToken(kind, text)
    if (!token) throw new ApiError('invalid_mailed_token')
    return token
  }
  const requireDone = ([row]: { done: boolean }[]) => {
    if (!row?.done) throw new ApiError('invalid_mailed_token')
    app.mail.wake()
  }

  app.post(
    '/password/forgot',
    {
      config: { limit: 'login' },
      schema: {
        operationId: 'forgotPassword',
        tags,
        summary: 'Request a mail to choose a new password',
        description:
          'The response is the same whether the email is registered or not. The mail has a link that works once, within 30 minutes. At most 5 mails an hour are sent to an account.',
        body: Ref(PasswordRequest),
        response: { 202: NoContent('Accepted.'), ...problems(...BODY, 404) },
      },
    },
    async (request, reply) => {
      if (!app.mail.enabled) throw new ApiError('mail_disabled')
      const email = foldEmail(request.body.email)
      await app.database.withoutUser((tx) => requestPasswordReset(tx, uuidv7(), email, request.client))
      app.mail.wake()
      return reply.code(202).send(undefined)
    },
  )

  app.post(
    '/password/reset',
    {
      config: { limit: 'register' },
      schema: {
        operationId: 'resetPassword',
        tags,
        summary: 'Choose a new password',
        description:
          'With the token from the mail, or from a link that the operator has passed on. It works once, and needs no mail to be configured. Ends every session; personal access tokens stay valid unless `revoke_tokens` is true. Does not log in. Has the rate limit of a registration.',
        body: Ref(PasswordReset),
        response: { 204: Type.Null({ description: 'The password has changed.' }), ...problems(...BODY) },
      },
    },
    async (request, reply) => {
      const { token: text, new_password, revoke_tokens: revokeTokens = false } = request.body
      const token = readToken('reset', text)
      const [known] = await app.database.withoutUser((tx) => findResetEmail(tx, token))
      if (!known?.email) throw new ApiError('invalid_mailed_token')
      // No connection is held meanwhile.
      const passwordHash = await app.passwords.hashNew(new_password, known.email, '/new_password')
      const reset = { passwordHash, revokeTokens, eventId: uuidv7() }
      requireDone(await app.database.withoutUser((tx) => resetPassword(tx, token, reset, request.client)))
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/me/email/verify',
    {
      config: { scope: 'account', limit: 'login' },
      schema: {
        operationId: 'sendVerification',
        tags,
        summary: 'Request another mail to confirm the address',
        description: 'The mail has a link that works once, within one day. At most 5 an hour are sent.',
        response: {
          202: NoContent('The mail will be sent.'),
          ...problems(400, ...TOKEN, 404, 409),
        },
      },
    },
    async (request, reply) => {
      if (!app.mail.enabled) throw new ApiError('mail_disabled')
      const { result } = firstOrNotFound(await request.withUser(sendVerification))
      if (result === 'verified')
        throw new ApiError('conflict', { detail: 'The address is already confirmed.' })
      if (result === 'limited') throw mailsLimited()
      app.mail.wake()
      return reply.code(202).send(undefined)
    },
  )

  app.post(
    '/email/verify',
    {
      schema: {
        operationId: 'verifyEmail',
        tags,
        summary: 'Confirm an email address',
        description:
          'With the token from the mail, which works once. A new address becomes that of the account, and the old one is mailed a link that undoes the change for a week.',
        body: Ref(EmailVerification),
        response: { 204: Type.Null({ description: 'The address is confirmed.' }), ...problems(...BODY, 409) },
      },
    },
    async (request, reply) => {
      const token = readToken('verify', request.body.token)
      requireDone(await app.database.withoutUser((tx) => verifyEmail(tx, token, uuidv7(), request.client)))
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/email/undo',
    {
      schema: {
        operationId: 'undoEmailChange',
        tags,
        summary: 'Undo a change of the email address',
        description:
          'With the token from the mail to the old address, which works once, within a week. Restores that address and ends every session.',
        body: Ref(EmailUndo),
        response: { 204: Type.Null({ description: 'The address is restored.' }), ...problems(...BODY, 409) },
      },
    },
    async (request, reply) => {
      const token = readToken('undo', request.body.token)
      requireDone(
        await app.database.withoutUser((tx) => undoEmailChange(tx, token, uuidv7(), request.client)),
      )
      return reply.code(204).send(null)
    },
  )
}
export default recovery
