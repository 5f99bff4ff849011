import { STATUS_CODES } from 'node:http'
import type { FaultCode } from './fault-codes.ts'
import type { Problem, Scope } from './schemas.ts'

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
  conflict: [409, 'The request conflicts with what is stored'],
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
  /** Instead of the status of the code, for faults of HTTP itself. */
  status?: number
  detail?: string
  errors?: (NonNullable<Problem['errors']>[number] & { code: FaultCode })[]
  headers?: Record<string, string>
}

/** An error that the client is told of as it is. Everything else is told as `internal`. */
export class ApiError extends Error {
  declare readonly code: ProblemCode
  declare readonly statusCode: number
  declare readonly extras: ProblemExtras

  /** @param cause what went wrong inside: for the log, never for the client */
  constructor(code: ProblemCode, extras: ProblemExtras = {}, cause?: unknown) {
    const [status, title] = problems[code]
    const isOther = extras.status !== undefined && extras.status !== status
    super(isOther ? STATUS_CODES[extras.status as number] : title, { cause })
    this.code = code
    this.statusCode = extras.status ?? status
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
export const unavailable = (cause?: unknown): ApiError => new ApiError('unavailable', retry, cause)
const unknown = 'Whether this was done is not known: send it again with its Idempotency-Key, or look.'
/** For a write whose commit was sent and never answered. */
export const unknownOutcome = (cause?: unknown): ApiError =>
  new ApiError('unavailable', { ...retry, detail: unknown }, cause)

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
  const detail =
    needed.length > 0
      ? `This operation requires a token with the scope ${needed.join(' and ')}.`
      : 'The token does not have the scope that this operation requires.'
  return new ApiError('insufficient_scope', {
    ...challenge(`, error="insufficient_scope"${named}`),
    detail,
  })
}

/** The challenge of RFC 9470, section 3, with this API's status. */
export const loginRequired = (): ApiError =>
  new ApiError('login_required', challenge(', error="insufficient_user_authentication", max_age="600"'))

/** A body that its schema allows and that is wrong all the same; the one member of it is named. */
export const invalidMember = (pointer: string, code: FaultCode, message: string): ApiError =>
  new ApiError('invalid_request', {
    detail: 'The body is not valid: see errors.',
    errors: [{ pointer, code, message }],
  })

/** The same for a path or query parameter, or a header. */
export const invalidParameter = (parameter: string, code: FaultCode, message: string): ApiError =>
  new ApiError('invalid_request', {
    detail: 'The request is not valid: see errors.',
    errors: [{ parameter, code, message }],
  })

/** Another write holds the Idempotency-Key: 409, to be tried again soon. */
export const requestInProgress = (): ApiError => new ApiError('request_in_progress', retry)
