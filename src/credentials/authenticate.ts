import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Credential } from '../database/database.ts'
import { countHeaders } from '../http/broken-requests.ts'
import { clientAddress } from '../http/client-address.ts'
import { unauthorized } from '../http/errors.ts'
import type { Client, Scope } from '../http/schemas.ts'
import { looksLike, parseToken } from './opaque-tokens.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The scope that the bearer token must have, or `any`; a route without it is public. */
    scope?: Scope | 'any'
  }
  interface FastifyRequest {
    /** From the bearer token; the database decides whether it is still valid. */
    credential: Credential
    client: Client
  }
}

const MAX_USER_AGENT = 512

/** Reads the bearer token of every route with a scope, before the body. */
export default fp(
  async (app) => {
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
      // The hook of the route itself, so that it runs after the rate limits.
      route.onRequest = (request: FastifyRequest, _reply, done) => {
        const start = performance.now()
        const token = bearerToken(request)
        request.credential = looksLike('access', token)
          ? readPersonalToken(token, needed)
          : app.readAccessToken(token, needed)
        request.cost.auth = performance.now() - start
        done()
      }
    })
  },
  { name: 'authenticate', dependencies: ['rate-limits', 'jwt'] },
)

/** Reads the token of the one Authorization header (RFC 6750, section 2.1). */
function bearerToken({ headers, raw }: FastifyRequest): string {
  const [scheme, token, ...rest] = headers.authorization?.split(' ') ?? []
  if (scheme?.toLowerCase() !== 'bearer') throw unauthorized('missing_token')
  // Node uses the first of two such headers; a proxy in front may have used the other one.
  if (!token || rest.length > 0 || countHeaders(raw, 'authorization') > 1) throw unauthorized('invalid_token')
  return token
}

/** Checks only the form of a personal access token: the database knows its scopes and expiry. */
function readPersonalToken(token: string, scopes: readonly Scope[]): Credential {
  const parsed = parseToken('access', token)
  if (!parsed) throw unauthorized('invalid_token')
  return { user_id: parsed.user_id, session_id: null, secret: parsed.secret, scopes }
}
