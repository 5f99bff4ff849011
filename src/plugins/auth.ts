import jwt from '@fastify/jwt'
import { type Static, Type } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { v7 as uuidv7 } from 'uuid'
import type { Config } from '../config.ts'
import type { Credential } from '../database.ts'
import { insufficientScope, unauthorized } from '../errors.ts'
import { Id, type Scope } from '../schema.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the bearer token must be allowed; a route without it needs no token. */
    scope?: Scope
  }
  interface FastifyInstance {
    /** A signed access token for a session (RFC 9068). */
    signAccessToken(credential: Credential, granted: readonly Scope[]): string
  }
  interface FastifyRequest {
    /** Whom the token names; the database decides whether its session is alive. */
    credential: Credential
  }
}

const Uuid = Type.String({ pattern: Id.pattern as string })
const Claims = Type.Object({
  iss: Type.String(),
  aud: Type.String(),
  sub: Uuid,
  sid: Uuid,
  jti: Type.String(),
  scope: Type.String(),
  iat: Type.Integer(),
  exp: Type.Integer(),
})
const claims = TypeCompiler.Compile(Claims)

/** Checks the bearer token of every route that names a scope, before its body is read. */
export default fp<{ config: Config; now: () => number }>(
  async (app, { config, now }) => {
    const iss = config.JWT_ISSUER
    const aud = config.JWT_AUDIENCE
    await app.register(jwt, {
      secret: config.JWT_SECRET,
      sign: { algorithm: 'HS256', header: { alg: 'HS256', typ: 'at+jwt' } },
      // exp is compared below, with the app's clock.
      verify: {
        algorithms: ['HS256'],
        allowedIss: iss,
        allowedAud: aud,
        checkTyp: 'at+jwt',
        ignoreExpiration: true,
      },
    })

    app.decorate('signAccessToken', ({ user_id, session_id }, granted) => {
      const iat = Math.floor(now() / 1000)
      const exp = iat + config.ACCESS_TOKEN_TTL
      return app.jwt.sign({
        iss,
        aud,
        sub: user_id,
        sid: session_id,
        scope: granted.join(' '),
        iat,
        exp,
        jti: uuidv7(),
      })
    })

    function verify(request: FastifyRequest): Static<typeof Claims> {
      const [scheme, token, ...rest] = request.headers.authorization?.split(' ') ?? []
      if (scheme?.toLowerCase() !== 'bearer') throw unauthorized('missing_token')
      if (!token || rest.length > 0) throw unauthorized('invalid_token')
      let payload: unknown
      try {
        payload = app.jwt.verify(token)
      } catch {
        throw unauthorized('invalid_token')
      }
      if (!claims.Check(payload)) throw unauthorized('invalid_token')
      if (payload.exp * 1000 <= now()) throw unauthorized('expired_token')
      return payload
    }

    app.decorateRequest('credential')
    app.addHook('onRoute', (route) => {
      const scope = route.config?.scope
      if (!scope) return
      route.schema = { ...route.schema, security: [{ bearer: [scope] }] }
      route.onRequest = async (request: FastifyRequest) => {
        const { sub, sid, scope: granted } = verify(request)
        if (!granted.split(' ').includes(scope)) throw insufficientScope(scope)
        request.credential = { user_id: sub, session_id: sid }
      }
    })
  },
  { name: 'auth', dependencies: ['limits'] },
)
