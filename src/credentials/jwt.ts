import fastifyJwt from '@fastify/jwt'
import { type Static, Type } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import fp from 'fastify-plugin'
import { v7 as uuidv7 } from 'uuid'
import type { Config } from '../config.ts'
import type { Credential } from '../database/database.ts'
import { insufficientScope, unauthorized } from '../http/errors.ts'
import { Id, type Scope } from '../http/schemas.ts'

interface Session {
  user_id: string
  id: string
  secret: Buffer
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Creates a signed access token for a session (RFC 9068), valid for ACCESS_TOKEN_TTL. */
    signAccessToken(session: Session, scopes: readonly Scope[]): string
    /**
     * Verifies an access token. Whether its session still exists is for the database to decide.
     * @throws {ApiError} invalid_token, expired_token (401), insufficient_scope (403)
     */
    readAccessToken(token: string, needed: readonly Scope[]): Credential
  }
}

/** Seconds that the clocks of two replicas may differ. It does not extend the expiry. */
const CLOCK_TOLERANCE = 5
/** Characters; our tokens have about 500. */
const MAX_LENGTH = 2000
/** Verified tokens that are remembered, at most; each takes about 2 kB. */
const MAX_REMEMBERED = 1000

const Uuid = Type.String({ pattern: Id.pattern as string })
const Claims = Type.Object({
  iss: Type.String(),
  aud: Type.String(),
  sub: Uuid,
  sid: Uuid,
  /** In base64url. The database requires it to authenticate a session: the session's id is not secret. */
  session_secret: Type.String({ pattern: '^[\\w-]{22}$' }),
  jti: Uuid,
  scope: Type.String(),
  iat: Type.Integer(),
  nbf: Type.Optional(Type.Integer()),
  exp: Type.Integer(),
})
type Claims = Static<typeof Claims>
/** Only the header that we write is accepted: no kid, jku or crit (RFC 8725, sections 3.1, 3.10 and 3.11). */
const Header = Type.Object(
  { alg: Type.Literal('HS256'), typ: Type.Literal('at+jwt') },
  { additionalProperties: false },
)
const accessToken = TypeCompiler.Compile(Type.Object({ header: Header, payload: Claims }))

/** Access tokens: JWTs signed with HMAC-SHA-256. */
export default fp<{ config: Config; now: () => number }>(
  async (app, { config, now }) => {
    const { JWT_ISSUER: iss, JWT_AUDIENCE: aud, JWT_SECRET_PREVIOUS: previous } = config
    await app.register(fastifyJwt, {
      secret: config.JWT_SECRET,
      sign: { algorithm: 'HS256', header: { alg: 'HS256', typ: 'at+jwt' } },
      // readAccessToken checks the times, with the app's clock.
      verify: {
        algorithms: ['HS256'],
        allowedIss: iss,
        allowedAud: aud,
        checkTyp: 'at+jwt',
        ignoreExpiration: true,
        ignoreNotBefore: true,
        complete: true,
      },
    })

    app.decorate('signAccessToken', ({ user_id, id, secret }, scopes) => {
      const iat = Math.floor(now() / 1000)
      return app.jwt.sign({
        iss,
        aud,
        sub: user_id,
        sid: id,
        session_secret: secret.toString('base64url'),
        scope: scopes.join(' '),
        iat,
        exp: iat + config.ACCESS_TOKEN_TTL,
        jti: uuidv7(),
      })
    })

    /** Verifies the signature with the current secret or, during a rotation, with the previous one. */
    function verify(token: string): unknown {
      for (const options of previous ? [undefined, { key: previous }] : [undefined]) {
        try {
          return app.jwt.verify(token, options)
        } catch {}
      }
      return undefined
    }

    /** By the whole token. What can change, the time and the session, is checked for every request. */
    const remembered = new Map<string, Claims>()
    function readClaims(token: string): Claims {
      const known = remembered.get(token)
      if (known) return known
      const jws = token.length <= MAX_LENGTH && verify(token)
      if (!accessToken.Check(jws)) throw unauthorized('invalid_token')
      // A Map keeps the order of insertion: the oldest entry gives way.
      const [oldest] = remembered.keys()
      if (oldest !== undefined && remembered.size >= MAX_REMEMBERED) remembered.delete(oldest)
      remembered.set(token, jws.payload)
      return jws.payload
    }

    app.decorate('readAccessToken', (token, needed) => {
      const { sub, sid, session_secret, scope, iat, nbf = iat, exp } = readClaims(token)
      const seconds = now() / 1000
      if (Math.max(iat, nbf) > seconds + CLOCK_TOLERANCE) throw unauthorized('invalid_token')
      if (exp <= seconds) {
        remembered.delete(token)
        throw unauthorized('expired_token')
      }
      const granted = scope.split(' ')
      if (!needed.every((name) => granted.includes(name))) throw insufficientScope(needed)
      return {
        user_id: sub,
        session_id: sid,
        secret: Buffer.from(session_secret, 'base64url'),
        scopes: needed,
      }
    })
  },
  { name: 'jwt' },
)
