import { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ApiError } from './errors.ts'

declare module 'fastify' {
  interface FastifySchema {
    /** Whether the body is optional, in requests and in the OpenAPI document. */
    'x-optional-body'?: true
  }
}

const JSON_TYPE = 'application/json'
const PATCH_TYPE = 'application/merge-patch+json'
const CONTENT_HEADERS = ['content-type', 'content-length', 'transfer-encoding']
const token = "[!#$%&'*+.^_`|~\\w-]+"
/** RFC 9110, section 5.6.6. */
const PARAMETER = new RegExp(`;[ \\t]*(?:(${token})=(?:(${token})|"((?:[^"\\\\]|\\\\.)*)")[ \\t]*)?`, 'gy')

/** Parses request bodies: JSON in UTF-8, without a content coding, and only where a route has a body. */
export default fp(
  async (app) => {
    const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
    // Members named __proto__ and constructor are ordinary data to JSON.parse. Strict schemas reject them as unknown.
    const parse = app.getDefaultJsonParser('ignore', 'ignore')
    app.removeAllContentTypeParsers()

    // Routes without a body ignore content, as GET does (RFC 9110, sections 9.3.1 and 9.3.5).
    app.addHook('onRequest', ({ routeOptions: { schema }, headers }, _reply, done) => {
      const isRead = schema?.body !== undefined && !(schema['x-optional-body'] && isEmpty(headers))
      if (!isRead) for (const name of CONTENT_HEADERS) if (headers[name] !== undefined) delete headers[name]
      done()
    })

    // Reject bytes that are not UTF-8: a lenient decoder would silently replace them.
    app.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
      if (body.length === 0 && request.routeOptions.schema?.['x-optional-body']) return done(null)
      const unsupported = findUnsupported(request)
      if (unsupported) return done(unsupported)
      let text: string
      try {
        text = utf8.decode(body)
      } catch {
        return done(new ApiError('malformed_json', { detail: 'The body is not valid UTF-8.' }))
      }
      parse(request, text, (error, value) =>
        error ? done(new ApiError('malformed_json')) : done(null, value),
      )
    })
  },
  { name: 'content' },
)

const isEmpty = (headers: FastifyRequest['headers']) =>
  headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0

/** RFC 9110, section 15.5.16. */
function findUnsupported({ headers, method }: FastifyRequest): ApiError | undefined {
  const codings = (headers['content-encoding'] ?? '').toLowerCase().split(',')
  if (codings.some((coding) => !['', 'identity'].includes(coding.trim())))
    return new ApiError('unsupported_media_type', {
      detail: 'Content-Encoding is not supported: send the body uncompressed.',
      headers: { 'accept-encoding': 'identity' },
    })
  const { type, charsets } = readMediaType(headers['content-type'] ?? '')
  const types = method === 'PATCH' ? [PATCH_TYPE, JSON_TYPE] : [JSON_TYPE]
  if (types.includes(type) && charsets.every((charset) => ['utf-8', 'utf8'].includes(charset)))
    return undefined
  return new ApiError('unsupported_media_type', {
    detail: `Content-Type must be ${types.join(' or ')}, in UTF-8.`,
    headers: { [method === 'PATCH' ? 'accept-patch' : 'accept']: types.join(', ') },
  })
}

/** Parses Content-Type (RFC 9110, section 8.3): the type in lower case, empty if malformed, and its charsets. */
function readMediaType(header: string): { type: string; charsets: string[] } {
  const [type = ''] = header.split(';', 1)
  const parameters = header.slice(type.length)
  const found = [...parameters.matchAll(PARAMETER)]
  const isWhole = found.reduce((length, [text]) => length + text.length, 0) === parameters.length
  const charsets = found
    .filter(([, name]) => name?.toLowerCase() === 'charset')
    .map(([, , plain, quoted]) => `${plain ?? quoted}`.replaceAll(/\\(.)/g, '$1').toLowerCase())
  return { type: isWhole ? type.trimEnd().toLowerCase() : '', charsets }
}

/** An empty body for HEAD: Fastify reports the length of any other body as that of GET. */
export const unknownContent = (): Readable => Readable.from([])
