import type { FastifyInstance, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import { ApiError } from './errors.ts'
import { Empty, Problem } from './schemas.ts'

/**
 * What holds for every route: a schema for each answer, no unknown query parameters, JSON that is
 * taken as it was sent or not at all, and 405 with Allow for the methods a path does not have.
 */
export default fp(
  async (app) => {
    app.addSchema(Problem)
    parseJson(app)

    app.addHook('onRequest', async ({ url }) => {
      if (!isDecodable(url)) throw new ApiError('invalid_request', { detail: 'The URL is not valid UTF-8.' })
    })

    const methods = new Map<string, Set<string>>()
    app.addHook('onRoute', (route) => {
      if (route.schema?.hide) return
      const known = methods.get(route.url) ?? new Set()
      for (const method of [route.method].flat()) known.add(method)
      methods.set(route.url, known)
      if (!route.schema?.response) throw new Error(`${route.method} ${route.url} has no response schema`)
      route.schema.querystring ??= Empty
    })
    app.decorate('refuseOtherMethods', () => {
      for (const [url, known] of [...methods]) {
        const others = app.supportedMethods.filter((method) => !known.has(method))
        app.route(refusal(url, others, [...known].join(', ')))
      }
    })
  },
  { name: 'contract' },
)

declare module 'fastify' {
  interface FastifyInstance {
    /** Called last, when every path is known. */
    refuseOtherMethods(): void
  }
}

/** RFC 9110, section 15.5.6. */
function refusal(url: string, method: string[], allow: string): RouteOptions {
  const refuse = async () => {
    throw new ApiError('method_not_allowed', { headers: { allow } })
  }
  return {
    url,
    method,
    schema: { hide: true },
    // On the request already, before a body is read.
    onRequest: refuse,
    handler: refuse,
  }
}

/** A query that is not percent-encoded UTF-8 would be taken for other text than was meant. */
function isDecodable(url: string): boolean {
  try {
    return decodeURIComponent(url) !== ''
  } catch {
    return false
  }
}

/** Bytes that are not UTF-8 are refused: decoding them leniently would change them silently. */
function parseJson(app: FastifyInstance): void {
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  const types = ['application/json', 'application/merge-patch+json']
  app.addContentTypeParser(types, { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    const isPatch = request.headers['content-type']?.startsWith('application/merge-patch')
    if (isPatch && request.method !== 'PATCH') return done(new ApiError('unsupported_media_type'))
    let text: string
    try {
      text = utf8.decode(body)
    } catch {
      return done(new ApiError('malformed_json', { detail: 'The body is not valid UTF-8.' }))
    }
    parse(request, text, (error, value) => (error ? done(new ApiError('malformed_json')) : done(null, value)))
  })
}
