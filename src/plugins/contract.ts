import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { ApiError } from '../errors.ts'
import { Empty, Problem } from '../schema.ts'

/**
 * What holds for every route: a schema for each answer, no unknown query parameters, and JSON that is
 * taken as it was sent or not at all.
 */
export default fp(
  async (app) => {
    app.addSchema(Problem)
    parseJson(app)

    app.addHook('onRoute', (route) => {
      if (route.schema?.hide) return
      if (!route.schema?.response) throw new Error(`${route.method} ${route.url} has no response schema`)
      route.schema.querystring ??= Empty
    })
  },
  { name: 'contract' },
)

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
