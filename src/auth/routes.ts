import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { v7 as uuidv7 } from 'uuid'
import type { Config } from '../config.ts'
import { ApiError, found } from '../errors.ts'
import { BODY, problems, Ref, scopes } from '../schema.ts'
import { createPasswords, isTooLong } from './passwords.ts'
import { Login, Registration, Tokens, User } from './schema.ts'
import { findPasswordSalt, openSession, registerUser } from './sql.ts'

/** Registration and login: the routes that need no token. */
const auth: FastifyPluginAsyncTypebox<{ config: Config }> = async (app, { config }) => {
  for (const schema of [Registration, Login, User, Tokens]) app.addSchema(schema)
  const passwords = createPasswords(config.BCRYPT_COST)
  app.addHook('onClose', passwords.close)

  app.post(
    '/register',
    {
      config: { limit: 'register' },
      schema: {
        operationId: 'registerUser',
        tags: ['auth'],
        summary: 'Register a user',
        body: Ref(Registration),
        response: { 201: Ref(User), ...problems(...BODY, 409) },
      },
    },
    async (request, reply) => {
      const { email, password } = request.body
      // Before a connection is taken: none is held while a hash is computed.
      const hash = await passwords.hash(password)
      const user = await app.database.withoutUser((tx) => registerUser(tx, uuidv7(), email, hash))
      return reply.code(201).send(found(user))
    },
  )

  app.post(
    '/login',
    {
      config: { limit: 'login' },
      schema: {
        operationId: 'login',
        tags: ['auth'],
        summary: 'Log in with email and password',
        description: 'Answers an access token for the header `Authorization: Bearer …`.',
        body: Ref(Login),
        response: { 200: Ref(Tokens), ...problems(...BODY, 401) },
      },
    },
    async (request, reply) => {
      const { email, password } = request.body
      if (isTooLong(password)) throw new ApiError('invalid_credentials')
      const [known] = await app.database.withoutUser((tx) => findPasswordSalt(tx, email))
      // Hashed even when there is no such user: the time it takes must not tell.
      const hash = await passwords.hash(password, known?.salt)
      const session = {
        id: uuidv7(),
        seconds: config.REFRESH_TOKEN_TTL,
        scopes,
        ip: request.ip,
        userAgent: request.headers['user-agent']?.slice(0, 512) ?? null,
      }
      const [opened] = await app.database.withoutUser((tx) => openSession(tx, email, hash, session))
      if (!opened?.user_id) throw new ApiError('invalid_credentials')
      const access_token = app.signAccessToken({ user_id: opened.user_id, session_id: session.id }, scopes)
      return reply.header('cache-control', 'no-store').send({
        access_token,
        token_type: 'Bearer' as const,
        expires_in: config.ACCESS_TOKEN_TTL,
        scope: scopes.join(' '),
      })
    },
  )
}
export default auth
