import { type SchemaOptions, type Static, type TSchema, Type } from '@sinclair/typebox'

/** Text that PostgreSQL can store: no NUL, no unpaired surrogate (patterns run in Unicode mode). */
export const TEXT = '^[^\\u0000\\uD800-\\uDFFF]*$'
export const NOT_BLANK = '^(?=[^]*\\S)[^\\u0000\\uD800-\\uDFFF]*$'
/** What a header can carry unchanged. */
export const PRINTABLE = '^[\\x20-\\x7e]+$'

/** What a credential may be allowed. */
export const scopes = ['todos:read', 'todos:write', 'account'] as const
export type Scope = (typeof scopes)[number]

/** Where a request comes from, as sessions and events keep it. */
export interface Client {
  /** Null when it is not known: see http/client-address.ts. */
  ip: string | null
  user_agent: string | null
}

/** A reference to a schema that is registered once under its `$id`; in the document a named component. */
export const Ref = <T extends TSchema>(schema: T) => Type.Unsafe<Static<T>>(Type.Ref(schema.$id as string))

/** `["string", "null"]` rather than a union: the serializer needs no validation to tell the two apart. */
export const Nullable = <T extends TSchema>(schema: T, options: SchemaOptions = {}) =>
  Type.Unsafe<Static<T> | null>({ ...schema, ...options, type: [schema.type, 'null'] })

export const Id = Type.String({
  pattern: '^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$',
  format: 'uuid',
  maxLength: 36,
  description: 'A UUID (version 7: later ones sort after earlier ones).',
  examples: ['0198f2c4-7d1a-7c3e-9f55-0d6a4f0b1c2d'],
})

const timestamp = { format: 'date-time', maxLength: 40, examples: ['2026-11-23T09:30:00Z'] }
/** What the API answers: RFC 3339, UTC. */
export const Timestamp = Type.String({ ...timestamp, description: 'RFC 3339, in UTC.' })
/** What a client may send: up to microseconds, offsets that PostgreSQL takes, and the years 1900 to 2999 in UTC. */
export const NewTimestamp = Type.String({
  ...timestamp,
  pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:[0-5]\\d(\\.\\d{1,6})?(Z|[+-](0\\d|1[0-5]):[0-5]\\d)$',
  description: 'RFC 3339 with an offset below 16 hours, years 1900 to 2999 in UTC, at most microseconds.',
})

export const Problem = Type.Object(
  {
    type: Type.String({
      maxLength: 200,
      format: 'uri-reference',
      description: 'A URI reference to the description of this kind of problem: `/problems/{code}`.',
      examples: ['/problems/not_found'],
    }),
    title: Type.String({ maxLength: 200, examples: ['There is nothing here'] }),
    status: Type.Integer({ minimum: 400, maximum: 599, examples: [404] }),
    code: Type.String({
      maxLength: 50,
      description: 'Stable: decide on this, not on the texts.',
      examples: ['not_found'],
    }),
    detail: Type.String({ maxLength: 500, examples: ['There is nothing here.'] }),
    instance: Type.String({
      maxLength: 2000,
      description: 'The path that was asked for.',
      examples: ['/todos/1'],
    }),
    request_id: Type.String({
      maxLength: 100,
      description: 'Names this request in the log.',
      examples: ['01a20986-6f0e-73f5-a3ae-22a9c8f15d26'],
    }),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          pointer: Type.Optional(
            Type.String({
              maxLength: 200,
              description: 'JSON Pointer (RFC 6901) into the body.',
              examples: ['/title'],
            }),
          ),
          parameter: Type.Optional(
            Type.String({ maxLength: 200, description: 'The path or query parameter.', examples: ['limit'] }),
          ),
          code: Type.String({ maxLength: 50, examples: ['too_long'] }),
          message: Type.String({ maxLength: 500, examples: ['must have 1 to 200 characters'] }),
        }),
        { maxItems: 20, description: 'With 400: each member that is wrong.' },
      ),
    ),
  },
  { $id: 'Problem', description: 'A problem document (RFC 9457).' },
)
export type Problem = Static<typeof Problem>

/** The parts of a list answer that say where in the whole it stands. */
export const Page = {
  limit: Type.Integer({
    minimum: 1,
    maximum: 100,
    description: 'The maximum number of items on a page.',
    examples: [20],
  }),
  offset: Type.Integer({
    minimum: 0,
    maximum: 2147483647,
    description: 'The number of items to skip.',
    examples: [0],
  }),
  has_more: Type.Boolean({ description: 'Whether there are more after these.', examples: [false] }),
}
/** A parameter that may be left out: its default takes its place before a handler sees it. */
export const Defaulted = <T extends TSchema>(schema: T) => Type.Unsafe<Static<T>>(Type.Optional(schema))

export const PageQuery = Type.Object(
  {
    limit: Defaulted(Type.Integer({ ...Page.limit, default: 20 })),
    offset: Defaulted(Type.Integer({ ...Page.offset, default: 0 })),
  },
  { additionalProperties: false },
)
export type PageQuery = Static<typeof PageQuery>

/** The answer for a page of rows, of which one more than the limit was asked for. */
export function toPage<Row>(rows: readonly Row[], { limit, offset }: PageQuery) {
  return { data: rows.slice(0, limit), limit, offset, has_more: rows.length > limit }
}

/** Headers that routes take and answer. */
export const Headers = {
  etag: Type.String({
    maxLength: 20,
    description: 'The version, as a strong entity tag (RFC 9110, section 8.8.3).',
    examples: ['"1"'],
  }),
  location: Type.String({
    maxLength: 100,
    description: 'The path of what was made.',
    examples: ['/todos/0198f2c4-7d1a-7c3e-9f55-0d6a4f0b1c2d'],
  }),
  link: Type.String({
    // Three times the longest filters, percent-encoded, and two cursors; see test/todos/limits.test.ts.
    maxLength: 12_000,
    description: 'First, previous and next page (RFC 8288).',
    examples: ['</todos?limit=20>; rel="first"'],
  }),
  replayed: Type.String({
    maxLength: 4,
    description: '`true` on the answer to a retry.',
    examples: ['true'],
  }),
  ifMatch: Type.Optional(
    Type.String({
      maxLength: 1000,
      description: 'Entity tags, or `*` (RFC 9110, section 13.1.1).',
      examples: ['"1"'],
    }),
  ),
  ifNoneMatch: Type.Optional(
    Type.String({
      maxLength: 1000,
      description: 'Entity tags, or `*` (RFC 9110, section 13.1.2).',
      examples: ['"1"'],
    }),
  ),
  idempotencyKey: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 255,
      pattern: PRINTABLE,
      description: 'Makes a retry safe: the same key with the same request is done once, for 24 hours.',
      examples: ['8e03978e-40d5-43dd-bc93-6894a57f9324'],
    }),
  ),
}

const meanings = {
  400: 'The request is not valid: `invalid_request`, `malformed_json` or `invalid_cursor`.',
  401: 'No credential, or none that is alive.',
  403: 'The token lacks the scope: `insufficient_scope`.',
  404: 'There is nothing here that you may see: `not_found`.',
  406: 'Nothing that the client accepts: `not_acceptable`.',
  409: 'It conflicts with what is there.',
  412: 'It has been changed meanwhile: `precondition_failed`.',
  413: 'The body is too large: `payload_too_large`.',
  415: 'The body is not JSON: `unsupported_media_type`.',
  422: 'The key was used for another request: `idempotency_key_reused`.',
  429: 'Too many requests: `rate_limited`; `Retry-After` says when to come back.',
  500: 'Our fault: `internal`.',
  503: 'Busy or not available: `overloaded` or `unavailable`; `Retry-After` says when to come back.',
}

/** Response schemas of the problems that a route can answer; 406, 429, 500 and 503 belong to every route. */
export function problems(...statuses: (keyof typeof meanings)[]) {
  return Object.fromEntries(
    [...statuses, 406 as const, 429 as const, 500 as const, 503 as const].map((status) => [
      status,
      {
        description: meanings[status],
        content: { 'application/problem+json': { schema: Ref(Problem) } },
      },
    ]),
  )
}
/** What every route with a body can answer, and what every route with a bearer token can. */
export const BODY = [400, 413, 415] as const
export const TOKEN = [401, 403] as const
export const Empty = Type.Object({}, { additionalProperties: false })
