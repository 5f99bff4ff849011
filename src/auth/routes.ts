import { randomBytes } from 'node:crypto'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { v7 as uuidv7 } from 'uuid'
import type { Config } from '../config.ts'
import { foldEmail } from '../credentials/email.ts'
import { deriveSuccessor, parseToken, sha256, writeToken } from '../credentials/opaque-tokens.ts'
import { ApiError, firstOrNotFound, unauthorized } from '../http/errors.ts'
import { BODY, NoContent, problems, Ref, type Scope, scopes, TOKEN } from '../http/schemas.ts'
import { createLogin } from './login.ts'
import { Login, Logout, Refresh, Registration, Tokens, User } from './schema.ts'
import { endCredential, endSessions, refreshSession, registerUser } from './sql.ts'

/** Registration, login, refresh and logout. */
const auth: FastifyPluginAsyncTypebox<{ config: Config; now: () => number }> = async (
  app,
  { config, now },
) => {
  for (const schema of [Registration, Login, Refresh, Logout, User, Tokens]) app.addSchema(schema)
  app.addFeature({
    name: 'auth',
    description: 'Register, log in, refresh, log out.',
    constraints: { users_email_key: () => new ApiError('email_taken') },
  })
  const tags = ['auth']
  const logIn = createLogin(app, config, now)

  /** The tokens of a session (RFC 6749, section 5.1). */
  const toTokens = (
    session: { user_id: string; id: string; secret: Buffer },
    granted: readonly Scope[],
    refreshSecret: Buffer,
  ) => ({
    access_token: app.signAccessToken(session, granted),
    token_type: 'Bearer' as const,
    expires_in: config.ACCESS_TOKEN_TTL,
    refresh_token: writeToken('refresh', session.user_id, refreshSecret, session.secret),
    scope: granted.join(' '),
  })

  app.post(
    '/register',
    {
      config: { limit: 'register' },
      schema: {
        operationId: 'registerUser',
        tags,
        summary: 'Register a user',
        description:
          'The email must be unique, ignoring case. Does not log in. If the service sends mail, it mails a link that confirms the address.',
        body: Ref(Registration),
        response: {
          201: Ref(User),
          202: NoContent(
            'Accepted, for a new and for a taken email alike: the owner of the address is mailed. Only if the service hides which emails are registered.',
          ),
          ...problems(...BODY, 409),
        },
      },
    },
    async (request, reply) => {
      const { email, password } = request.body
      // Hash before using the database: no connection is held meanwhile.
      const hash = await app.passwords.hashNew(password, email, '/password')
      const hidden = config.HIDE_REGISTRATION
      const user = {
        id: uuidv7(),
        email,
        emailFolded: foldEmail(email),
        passwordHash: hash,
        verify: app.mail.enabled,
        hidden,
        requestId: uuidv7(),
      }
      const added = await app.database.withoutUser((tx) => registerUser(tx, user, request.client))
      app.mail.wake()
      if (hidden) return reply.code(202).send(undefined)
      return reply.code(201).send(firstOrNotFound(added))
    },
  )

  app.post(
    '/login',
    {
      config: { limit: 'login' },
      schema: {
        operationId: 'login',
        tags,
        summary: 'Log in with email and password',
        description:
          'Opens a session. Send the access token in the header `Authorization: Bearer …`, the refresh token to `POST /refresh`. A user with a second factor sends a `code` too. A user has at most 100 sessions: beyond that the oldest end.',
        body: Ref(Login),
        response: { 200: Ref(Tokens), ...problems(...BODY, 401, 403) },
      },
    },
    async (request) => {
      const { user_id, id, secret, refreshSecret } = await logIn(request.body, request.client)
      return toTokens({ user_id, id, secret }, scopes, refreshSecret)
    },
  )

  app.post(
    '/refresh',
    {
      schema: {
        operationId: 'refresh',
        tags,
        summary: 'Exchange a refresh token for new tokens',
        description:
          'A refresh token can be used once. Used again within 10 seconds, for example after a lost response, it returns the same new refresh token; used again later it counts as stolen, and its session ends.',
        body: Ref(Refresh),
        response: { 200: Ref(Tokens), ...problems(...BODY, 401) },
      },
    },
    async (request) => {
      const spent = parseToken('refresh', request.body.refresh_token)
      if (!spent) throw unauthorized('invalid_token')
      const { user_id, session_secret: secret } = spent
      const seed = randomBytes(32)
      const refresh = {
        ...spent,
        seed,
        successorHash: sha256(deriveSuccessor(spent.secret, seed)),
        seconds: config.REFRESH_TOKEN_TTL,
        maxSeconds: config.SESSION_MAX_AGE,
        eventId: uuidv7(),
      }
      const session = firstOrNotFound(
        await app.database.withoutUser((tx) => refreshSession(tx, refresh, request.client)),
      )
      if (!session.session_id) throw unauthorized('revoked_token')
      const successor = deriveSuccessor(spent.secret, session.seed)
      return toTokens({ user_id, id: session.session_id, secret }, session.scopes, successor)
    },
  )

  app.post(
    '/logout',
    {
      config: { scope: 'any' },
      preValidation: async (request) => {
        if (request.body === undefined) request.body = {}
      },
      schema: {
        'x-optional-body': true,
        operationId: 'logout',
        tags,
        summary: 'Log out of this session, or of all sessions',
        description:
          "The session's tokens are revoked immediately; a personal access token revokes itself. `everywhere` requires the scope `account`, and keeps personal access tokens.",
        body: Ref(Logout),
        response: { 204: Type.Null({ description: 'Logged out.' }), ...problems(...BODY, ...TOKEN) },
      },
    },
    async (request, reply) => {
      const { everywhere } = request.body
      if (everywhere) request.credential.scopes = ['account']
      await request.withUser(everywhere ? endSessions : endCredential)
      return reply.code(204).send(null)
    },
  )
}
export default auth
