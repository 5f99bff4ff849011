import { type SchemaOptions, type Static, type TSchema, Type } from '@sinclair/typebox'
import { Problem } from './problem-schema.ts'

/** Text that PostgreSQL can store: no NUL and no unpaired surrogate. Patterns use Unicode mode. */
export const TEXT = '^[^\\u0000\\uD800-\\uDFFF]*$'
export const NOT_BLANK = '^(?=[^]*\\S)[^\\u0000\\uD800-\\uDFFF]*$'
/** Text that a header can contain unchanged. */
export const PRINTABLE = '^[\\x20-\\x7e]+$'

/** The permissions of a credential. */
export const scopes = ['todos:read', 'todos:write', 'account'] as const
export type Scope = (typeof scopes)[number]

/** The origin of a request, as stored with sessions and events. */
export interface Client {
  /** Null when unknown: see http/client-address.ts. */
  ip: string | null
  user_agent: string | null
}

/** A reference to a schema that is registered under its `$id`: a named component in the OpenAPI document. */
export const Ref = <T extends TSchema>(schema: T) => Type.Unsafe<Static<T>>(Type.Ref(schema.$id as string))

/** Allows null by `type: ["string", "null"]`: for a union the serializer would have to validate. */
export const Nullable = <T extends TSchema>(schema: T, options: SchemaOptions = {}) =>
  Type.Unsafe<Static<T> | null>({ ...schema, ...options, type: [schema.type, 'null'] })

export const Id = Type.String({
  pattern: '^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$',
  format: 'uuid',
  maxLength: 36,
  description: 'A UUID version 7; newer ids sort after older ones.',
  examples: ['0198f2c4-7d1a-7c3e-9f55-0d6a4f0b1c2d'],
})

const timestamp = { format: 'date-time', maxLength: 40, examples: ['2026-11-23T09:30:00Z'] }
/** A timestamp in a response. */
export const Timestamp = Type.String({ ...timestamp, description: 'RFC 3339, in UTC.' })
/** A timestamp in a request: at most microseconds, offsets that PostgreSQL accepts, years 1900 to 2999 in UTC. */
export const NewTimestamp = Type.String({
  ...timestamp,
  pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:[0-5]\\d(\\.\\d{1,6})?(Z|[+-](0\\d|1[0-5]):[0-5]\\d)$',
  description: 'RFC 3339 with a UTC offset below 16 hours, years 1900 to 2999 in UTC, at most microseconds.',
})

/** The position of a page in its list. */
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
  has_more: Type.Boolean({ description: 'Whether more items follow.', examples: [false] }),
}
/** An optional parameter with a default, which handlers always receive. */
export const Defaulted = <T extends TSchema>(schema: T) => Type.Unsafe<Static<T>>(Type.Optional(schema))

export const PageQuery = Type.Object(
  {
    limit: Defaulted(Type.Integer({ ...Page.limit, default: 20 })),
    offset: Defaulted(Type.Integer({ ...Page.offset, default: 0 })),
  },
  { additionalProperties: false },
)
export type PageQuery = Static<typeof PageQuery>

/** Creates a page response. @param rows one more than the limit if there are more */
export function toPage<Row>(rows: readonly Row[], { limit, offset }: PageQuery) {
  return { data: rows.slice(0, limit), limit, offset, has_more: rows.length > limit }
}

/** Request and response headers of routes. */
export const Headers = {
  etag: Type.String({
    maxLength: 20,
    description: 'The version as a strong entity tag (RFC 9110, section 8.8.3).',
    examples: ['"1"'],
  }),
  location: Type.String({
    maxLength: 100,
    description: 'The path of the resource.',
    examples: ['/todos/0198f2c4-7d1a-7c3e-9f55-0d6a4f0b1c2d'],
  }),
  link: Type.String({
    // Fits the longest percent-encoded filters three times, and two cursors: see test/todos/limits.test.ts.
    maxLength: 12_000,
    description: 'Links to the first, previous and next page (RFC 8288).',
    examples: ['</todos?limit=20>; rel="first"'],
  }),
  replayed: Type.String({
    maxLength: 4,
    description: '`true` when this is the recorded response of an earlier request.',
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
      description:
        'Makes retries safe: for 24 hours, the same request with the same key is executed only once.',
      examples: ['8e03978e-40d5-43dd-bc93-6894a57f9324'],
    }),
  ),
}

const descriptions = {
  400: 'Invalid request: `invalid_request`, `malformed_json`, `invalid_cursor` or `invalid_mailed_token`.',
  401: 'Missing, invalid, expired or revoked token, or wrong email or password.',
  403: 'The token lacks a required scope (`insufficient_scope`), or the address is not confirmed (`email_unverified`).',
  404: 'No such resource for this user: `not_found`; or it needs mail: `mail_disabled`.',
  406: 'The client does not accept JSON: `not_acceptable`.',
  409: 'Conflict with existing data or with a request in progress.',
  410: 'Changes since this token are no longer known: `sync_token_expired`.',
  412: 'The resource was modified since you read it: `precondition_failed`.',
  413: 'The body is too large: `payload_too_large`.',
  415: 'The body is not JSON: `unsupported_media_type`.',
  422: 'The Idempotency-Key was used for a different request: `idempotency_key_reused`.',
  429: 'Too many requests: `rate_limited`. Retry after the seconds in `Retry-After`.',
  500: 'Internal server error: `internal`.',
  501: 'Not available on this installation, whose database is sharded: `not_implemented`.',
  503: 'Overloaded or unavailable: `overloaded` or `unavailable`. Retry after the seconds in `Retry-After`.',
}

/** Response schemas for the problems of a route; every route has 406, 429, 500 and 503. */
export function problems(...statuses: (keyof typeof descriptions)[]) {
  return Object.fromEntries(
    [...statuses, 406 as const, 429 as const, 500 as const, 503 as const].map((status) => [
      status,
      {
        description: descriptions[status],
        content: { 'application/problem+json': { schema: Ref(Problem) } },
      },
    ]),
  )
}
/** The problems of every route with a body. */
export const BODY = [400, 413, 415] as const
/** The problems of every route that requires a token. */
export const TOKEN = [401, 403] as const
/** The schema of a 202 without a body, which is sent as `undefined`. */
export const NoContent = (description: string) => Type.Unsafe<undefined>(Type.Null({ description }))
export const Empty = Type.Object({}, { additionalProperties: false })
