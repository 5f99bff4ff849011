import { randomBytes } from 'node:crypto'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { v7 as uuidv7 } from 'uuid'
import type { Config } from '../config.ts'
import { foldEmail } from '../email.ts'
import { found, unauthorized } from '../errors.ts'
import { BODY, problems, Ref, type Scope, scopes, TOKEN } from '../schema.ts'
import { createSecret, deriveSuccessor, parseSecret } from '../secrets.ts'
import { Login, Logout, Refresh, Registration, Tokens, User } from './schema.ts'
import {
  endCredential,
  endSessions,
  findPasswordSalt,
  openSession,
  refreshSession,
  registerUser,
  replaceHash,
} from './sql.ts'

/** Registration, login, and the life of a session. */
const auth: FastifyPluginAsyncTypebox<{ config: Config }> = async (app, { config }) => {
  for (const schema of [Registration, Login, Refresh, Logout, User, Tokens]) app.addSchema(schema)
  const tags = ['auth']

  /** What a session is told to its holder as (RFC 6749, section 5.1). */
  const toTokens = (
    user_id: string,
    session_id: string,
    granted: readonly Scope[],
    refresh_token: string,
  ) => ({
    access_token: app.signAccessToken(user_id, session_id, granted),
    token_type: 'Bearer' as const,
    expires_in: config.ACCESS_TOKEN_TTL,
    refresh_token,
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
        description: 'Adds a user with an email that nobody has yet, whatever its case. It does not log in.',
        body: Ref(Registration),
        response: { 201: Ref(User), ...problems(...BODY, 409) },
      },
    },
    async (request, reply) => {
      const { email, password } = request.body
      // Before a connection is taken: none is held while a hash is computed.
      const hash = await app.passwords.hashNew(password, email, '/password')
      const user = await app.database.withoutUser((tx) =>
        registerUser(tx, uuidv7(), email, foldEmail(email), hash),
      )
      return reply.code(201).send(found(user))
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
          'Opens a session. The access token goes into the header `Authorization: Bearer …`, the refresh token to `POST /refresh`.',
        body: Ref(Login),
        response: { 200: Ref(Tokens), ...problems(...BODY, 401) },
      },
    },
    async (request) => {
      const { password } = request.body
      const email = foldEmail(request.body.email)
      const [known] = await app.database.withoutUser((tx) => findPasswordSalt(tx, email))
      const hashes = await app.passwords.hashToCompare(password, known?.salt)
      const refresh = createSecret('refresh')
      const session = {
        id: uuidv7(),
        seconds: config.REFRESH_TOKEN_TTL,
        scopes,
        refreshHash: refresh.hash,
        eventId: uuidv7(),
      }
      const [opened] = await app.database.withoutUser((tx) =>
        openSession(tx, email, hashes, session, request.client),
      )
      const user_id = opened?.user_id
      if (!user_id) throw unauthorized('invalid_credentials')
      const replacement = await app.passwords.rehash(password, hashes)
      if (replacement) {
        const credential = { user_id, session_id: session.id }
        await app.database.withUser(credential, 'read write', (tx) => replaceHash(tx, replacement))
      }
      return toTokens(user_id, session.id, scopes, refresh.tokenFor(user_id))
    },
  )

  app.post(
    '/refresh',
    {
      schema: {
        operationId: 'refresh',
        tags,
        summary: 'Trade a refresh token for new tokens',
        description:
          'Each refresh token is spent once. Sent again within 10 seconds, after a lost answer or from a second tab, it is answered with the same refresh token; sent again later it is taken for stolen, and its session ends.',
        body: Ref(Refresh),
        response: { 200: Ref(Tokens), ...problems(...BODY, 401) },
      },
    },
    async (request) => {
      const spent = parseSecret('refresh', request.body.refresh_token)
      if (!spent) throw unauthorized('invalid_token')
      const { user_id } = spent
      const successor = (seed: Buffer) => createSecret('refresh', deriveSuccessor(spent.secret, seed))
      const seed = randomBytes(32)
      const refresh = {
        user_id,
        hash: spent.hash,
        seed,
        successorHash: successor(seed).hash,
        seconds: config.REFRESH_TOKEN_TTL,
        eventId: uuidv7(),
      }
      const live = found(await app.database.withoutUser((tx) => refreshSession(tx, refresh, request.client)))
      if (!live.session_id) throw unauthorized('revoked_token')
      return toTokens(user_id, live.session_id, live.scopes, successor(live.seed).tokenFor(user_id))
    },
  )

  app.post(
    '/logout',
    {
      config: { scope: 'any' },
      // A body is not needed.
      preValidation: async (request) => {
        request.body ??= {}
      },
      schema: {
        operationId: 'logout',
        tags,
        summary: 'End the session, or every session',
        description:
          'Its access tokens and refresh token die at once. A personal access token that logs out is revoked. `everywhere` needs the scope `account`, and leaves personal access tokens alone.',
        body: Ref(Logout),
        response: { 204: Type.Null({ description: 'Ended.' }), ...problems(...BODY, ...TOKEN) },
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
