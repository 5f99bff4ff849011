import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { FastifySchemaValidationError } from 'fastify/types/schema.js'
import { DatabaseError } from 'pg'
import type { Problem, Scope } from './schema.ts'

const problems = {
  invalid_request: [400, 'The request is not valid'],
  malformed_json: [400, 'The body is not valid JSON'],
  invalid_cursor: [400, 'The cursor is not valid for this list'],
  missing_token: [401, 'A bearer token is needed'],
  invalid_token: [401, 'The token is not valid'],
  expired_token: [401, 'The token has expired'],
  revoked_token: [401, 'The token is revoked, or its session has ended'],
  invalid_credentials: [401, 'Email or password is wrong'],
  insufficient_scope: [403, 'The token may not do this'],
  login_required: [403, 'A login less than ten minutes old is needed'],
  not_found: [404, 'There is nothing here'],
  method_not_allowed: [405, 'The method is not allowed here'],
  not_acceptable: [406, 'The answer would be application/json'],
  email_taken: [409, 'The email is already registered'],
  request_in_progress: [409, 'A request with this Idempotency-Key is still running'],
  precondition_failed: [412, 'It has been changed meanwhile'],
  payload_too_large: [413, 'The body is too large'],
  unsupported_media_type: [415, 'The body must be JSON'],
  idempotency_key_reused: [422, 'The Idempotency-Key belongs to another request'],
  rate_limited: [429, 'Too many requests'],
  internal: [500, 'Something went wrong on our side'],
  overloaded: [503, 'The service is busy'],
  unavailable: [503, 'The service is not available'],
} as const satisfies Record<string, readonly [status: number, title: string]>

export type ProblemCode = keyof typeof problems
export const problemCodes = Object.keys(problems) as ProblemCode[]

interface ProblemExtras {
  detail?: string
  errors?: Problem['errors']
  headers?: Record<string, string>
}

/** An error that the client is told of as it is. Everything else is told as `internal`. */
export class ApiError extends Error {
  declare readonly code: ProblemCode
  declare readonly statusCode: number
  declare readonly extras: ProblemExtras

  constructor(code: ProblemCode, extras: ProblemExtras = {}) {
    super(problems[code][1])
    this.code = code
    this.statusCode = problems[code][0]
    this.extras = extras
  }
}

const retry = { headers: { 'retry-after': '1' } }
export const notFound = (): ApiError => new ApiError('not_found')
/** The first row, where there must be one for the client to see. @throws {ApiError} not_found (404) */
export function found<Row>(rows: readonly Row[]): Row {
  const [row] = rows
  if (row === undefined) throw notFound()
  return row
}
export const overloaded = (): ApiError => new ApiError('overloaded', retry)
export const unavailable = (): ApiError => new ApiError('unavailable', retry)

/** The challenge of RFC 6750, section 3. */
const challenge = (parameters = '') => ({
  headers: { 'www-authenticate': `Bearer realm="todo"${parameters}` },
})

/** Without an error code when no token was sent (RFC 6750, section 3.1). */
export const unauthorized = (
  code: 'missing_token' | 'invalid_token' | 'expired_token' | 'revoked_token' | 'invalid_credentials',
): ApiError => {
  const sentNone = code === 'missing_token' || code === 'invalid_credentials'
  const reason = `, error="invalid_token", error_description="${problems[code][1]}"`
  return new ApiError(code, challenge(sentNone ? '' : reason))
}

/** RFC 6750, section 3.1: names the scopes that are needed, where they are known. */
export const insufficientScope = (needed: readonly Scope[] = []): ApiError => {
  const named = needed.length > 0 ? `, scope="${needed.join(' ')}"` : ''
  return new ApiError('insufficient_scope', challenge(`, error="insufficient_scope"${named}`))
}

/** The challenge of RFC 9470, section 3, with this API's status. */
export const loginRequired = (): ApiError =>
  new ApiError('login_required', challenge(', error="insufficient_user_authentication", max_age="600"'))

/** A body that its schema allows and that is wrong all the same; the one member of it is named. */
export const invalidMember = (pointer: string, code: string, message: string): ApiError =>
  new ApiError('invalid_request', {
    detail: 'The body is not valid: see errors.',
    errors: [{ pointer, code, message }],
  })

/** The same for a path or query parameter, or a header. */
export const invalidParameter = (parameter: string, code: string, message: string): ApiError =>
  new ApiError('invalid_request', {
    detail: 'The request is not valid: see errors.',
    errors: [{ parameter, code, message }],
  })

/** The database's constraints that a client can violate, and what it is then told. */
const constraints: Record<string, () => ApiError> = {
  users_email_key: () => new ApiError('email_taken'),
  access_tokens_expires_later: () => invalidMember('/expires_at', 'past', 'must be in the future'),
}

/** From SQLSTATE (PostgreSQL manual, appendix A) to the client's error; undefined when it is our fault. */
function fromDatabase(error: DatabaseError): ApiError | undefined {
  const known = error.constraint && constraints[error.constraint]
  if (known) return known()
  if (error.code === '42501') return insufficientScope()
  // Serialization failure, deadlock, lock not available; out of resources, operator's intervention (a timeout, too).
  return /^(40|55P03|53|57)/.test(`${error.code}`) ? unavailable() : undefined
}

const frameworkErrors: Record<string, ProblemCode> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'payload_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'malformed_json',
  FST_ERR_CTP_INVALID_JSON_BODY: 'malformed_json',
}

/** The most members that one answer complains of. */
const MAX_REPORTED = 20
/** Where Ajv's own words would show a pattern, or speak of properties. */
const messages: Record<string, string> = {
  additionalProperties: 'is not known here',
  discriminator: 'is none of those that are known',
  pattern: 'is blank, or has a form or characters that are not allowed',
  required: 'is missing',
}

function fromValidation(context: string, validation: FastifySchemaValidationError[]): ApiError {
  const errors = validation.slice(0, MAX_REPORTED).map(({ keyword, instancePath, params, message }) => {
    // What is missing or unknown is named by Ajv beside the path of the object it is in.
    const member = params.missingProperty ?? params.additionalProperty ?? params.tag
    const below = member === undefined ? '' : `/${String(member).replaceAll('~', '~0').replaceAll('/', '~1')}`
    const path = (instancePath + below).slice(0, 200)
    return {
      ...(context === 'body' ? { pointer: path } : { parameter: path.slice(1) }),
      code: keyword,
      message: messages[keyword] ?? String(params.format === 'password' ? 'must be 8 to 72 bytes' : message),
    }
  })
  return new ApiError('invalid_request', { detail: `The ${context} is not valid: see errors.`, errors })
}

/** What the client is told of an error. Never anything of Postgres or of the stack. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  if (error instanceof DatabaseError) return fromDatabase(error) ?? new ApiError('internal')
  const { code, validation, validationContext, statusCode } = error as FastifyError
  if (validation) return fromValidation(String(validationContext), validation)
  const known = frameworkErrors[code]
  if (known) return new ApiError(known)
  return new ApiError(Number(statusCode) < 500 ? 'invalid_request' : 'internal')
}

/** The problem document of RFC 9457. */
export function toProblem(error: ApiError, request: { url: string; id: string }): Problem {
  return {
    type: 'about:blank',
    title: error.message,
    status: error.statusCode,
    code: error.code,
    detail: error.extras.detail ?? `${error.message}.`,
    instance: request.url.replace(/\?.*/, '').slice(0, 2000),
    request_id: request.id,
    ...(error.extras.errors && { errors: error.extras.errors }),
  }
}

export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const known = toApiError(error)
  // RFC 5789, section 2.2.
  if (known.code === 'unsupported_media_type' && request.method === 'PATCH')
    reply.header('accept-patch', 'application/merge-patch+json, application/json')
  if (known.code === 'internal') request.log.error({ err: error }, 'request failed')
  return reply
    .code(known.statusCode)
    .headers(known.extras.headers ?? {})
    .type('application/problem+json')
    .send(JSON.stringify(toProblem(known, request)))
}

/** Answers every error, and every path and method that does not exist, with a problem document. */
export function handleErrors(app: FastifyInstance): void {
  app.setErrorHandler(sendProblem)
  app.setNotFoundHandler((request, reply) => sendProblem(notFound(), request, reply))
}
