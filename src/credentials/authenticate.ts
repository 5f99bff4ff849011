import jwt from '@fastify/jwt'
import { Type } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { v7 as uuidv7 } from 'uuid'
import type { Config } from '../config.ts'
import type { Credential } from '../database/database.ts'
import { clientAddress } from '../http/client-address.ts'
import { insufficientScope, unauthorized } from '../http/errors.ts'
import { type Client, Id, type Scope } from '../http/schemas.ts'
import { looksLike, parseToken } from './opaque-tokens.ts'

interface Session {
  user_id: string
  id: string
  secret: Buffer
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the bearer token must be allowed, or `any`; a route without it needs no token. */
    scope?: Scope | 'any'
  }
  interface FastifyInstance {
    /** A signed access token for a session (RFC 9068). */
    signAccessToken(session: Session, scopes: readonly Scope[]): string
  }
  interface FastifyRequest {
    /** Whom the token names; the database decides whether its session is alive. */
    credential: Credential
    client: Client
  }
}

/** Seconds that the clocks of two replicas may differ. An expired token gets none of them. */
const CLOCK_TOLERANCE = 5
/** Characters; ours have some 500. */
const MAX_TOKEN = 2000
const MAX_USER_AGENT = 512

const Uuid = Type.String({ pattern: Id.pattern as string })
const Claims = Type.Object({
  iss: Type.String(),
  aud: Type.String(),
  sub: Uuid,
  sid: Uuid,
  /** The session's secret, in base64url: without it the database authenticates nobody by a session's id. */
  session_secret: Type.String({ pattern: '^[\\w-]{22}$' }),
  jti: Uuid,
  scope: Type.String(),
  iat: Type.Integer(),
  nbf: Type.Optional(Type.Integer()),
  exp: Type.Integer(),
})
/** Exactly the header that is made here: no kid, jku or crit is ever looked at (RFC 8725, sections 3.1, 3.10 and 3.11). */
const Header = Type.Object(
  { alg: Type.Literal('HS256'), typ: Type.Literal('at+jwt') },
  { additionalProperties: false },
)
const verified = TypeCompiler.Compile(Type.Object({ header: Header, payload: Claims }))

/** Checks the bearer token of every route that names a scope, before its body is read. */
export default fp<{ config: Config; now: () => number }>(
  async (app, { config, now }) => {
    const { JWT_ISSUER: iss, JWT_AUDIENCE: aud, JWT_SECRET_PREVIOUS: previous } = config
    await app.register(jwt, {
      secret: config.JWT_SECRET,
      sign: { algorithm: 'HS256', header: { alg: 'HS256', typ: 'at+jwt' } },
      // Times are compared below, with the app's clock.
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
      const exp = iat + config.ACCESS_TOKEN_TTL
      const session = { sid: id, session_secret: secret.toString('base64url') }
      return app.jwt.sign({
        iss,
        aud,
        sub: user_id,
        ...session,
        scope: scopes.join(' '),
        iat,
        exp,
        jti: uuidv7(),
      })
    })

    /** The verified token, signed with the secret or, while it is being changed, with the one before. */
    function verify(token: string): unknown {
      for (const options of previous ? [undefined, { key: previous }] : [undefined]) {
        try {
          return app.jwt.verify(token, options)
        } catch {}
      }
      return undefined
    }

    /** @throws {ApiError} invalid_token, expired_token (401), insufficient_scope (403) */
    function readJwt(token: string, needed: readonly Scope[]): Credential {
      const jws = token.length <= MAX_TOKEN && verify(token)
      if (!verified.Check(jws)) throw unauthorized('invalid_token')
      const { sub, sid, session_secret, scope, iat, nbf = iat, exp } = jws.payload
      const seconds = now() / 1000
      if (Math.max(iat, nbf) > seconds + CLOCK_TOLERANCE) throw unauthorized('invalid_token')
      if (exp <= seconds) throw unauthorized('expired_token')
      const granted = scope.split(' ')
      if (!needed.every((name) => granted.includes(name))) throw insufficientScope(needed)
      return {
        user_id: sub,
        session_id: sid,
        secret: Buffer.from(session_secret, 'base64url'),
        scopes: needed,
      }
    }

    /** Only a mistyped one is told from a good one here: its scopes are known to the database alone. */
    function readPersonalToken(token: string, needed: readonly Scope[]): Credential {
      const parsed = parseToken('access', token)
      if (!parsed) throw unauthorized('invalid_token')
      return { user_id: parsed.user_id, session_id: null, secret: parsed.secret, scopes: needed }
    }

    app.decorateRequest('credential')
    app.decorateRequest('client', {
      getter() {
        const user_agent = this.headers['user-agent']?.slice(0, MAX_USER_AGENT) ?? null
        return { ip: clientAddress(this as FastifyRequest), user_agent }
      },
    })
    app.addHook('onRoute', (route) => {
      const scope = route.config?.scope
      if (!scope) return
      const needed = scope === 'any' ? [] : [scope]
      route.schema = { ...route.schema, security: [{ bearer: needed }] }
      route.onRequest = async (request: FastifyRequest) => {
        const start = performance.now()
        const token = bearerToken(request)
        const read = looksLike('access', token) ? readPersonalToken : readJwt
        request.credential = read(token, needed)
        request.cost.auth = performance.now() - start
      }
    })
  },
  { name: 'authenticate', dependencies: ['rate-limits'] },
)

/** The token of the one Authorization header (RFC 6750, section 2.1). */
function bearerToken({ headers, raw }: FastifyRequest): string {
  const [scheme, token, ...rest] = headers.authorization?.split(' ') ?? []
  if (scheme?.toLowerCase() !== 'bearer') throw unauthorized('missing_token')
  // Node keeps the first of two such headers; which one a proxy in front went by nobody knows.
  const sent = raw.rawHeaders.filter((name, n) => n % 2 === 0 && name.toLowerCase() === 'authorization')
  if (!token || rest.length > 0 || sent.length > 1) throw unauthorized('invalid_token')
  return token
}
