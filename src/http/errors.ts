import { STATUS_CODES } from 'node:http'
import type { FaultCode } from './fault-codes.ts'
import type { Problem } from './problem-schema.ts'
import type { Scope } from './schemas.ts'

const problems = {
  invalid_request: [400, 'Invalid request'],
  invalid_mailed_token: [400, 'The link is not valid any more'],
  malformed_json: [400, 'The body is not valid JSON'],
  invalid_cursor: [400, 'Invalid cursor for this list'],
  missing_token: [401, 'A bearer token is required'],
  invalid_token: [401, 'Invalid token'],
  expired_token: [401, 'The token has expired'],
  revoked_token: [401, 'The token has been revoked or its session has ended'],
  invalid_credentials: [401, 'Wrong email or password'],
  code_required: [401, 'A code of the second factor is required'],
  invalid_code: [401, 'The code is wrong or was used before'],
  insufficient_scope: [403, 'The token lacks a required scope'],
  email_unverified: [403, 'The email address must be confirmed first'],
  login_required: [403, 'A login within the last ten minutes is required'],
  account_locked: [403, 'The operator has locked this account'],
  not_found: [404, 'Not found'],
  mail_disabled: [404, 'This service sends no mail'],
  method_not_allowed: [405, 'Method not allowed'],
  not_acceptable: [406, 'Only application/json is available'],
  email_taken: [409, 'The email is already registered'],
  totp_enabled: [409, 'The second factor is already turned on'],
  quota_exceeded: [409, 'A limit on the number of objects is reached'],
  conflict: [409, 'The request conflicts with existing data'],
  request_in_progress: [409, 'A request with this Idempotency-Key is still in progress'],
  sync_token_expired: [410, 'The sync token has expired'],
  precondition_failed: [412, 'The resource was modified since you read it'],
  payload_too_large: [413, 'The body is too large'],
  unsupported_media_type: [415, 'The body must be JSON'],
  idempotency_key_reused: [422, 'The Idempotency-Key was used for a different request'],
  rate_limited: [429, 'Too many requests'],
  internal: [500, 'Internal server error'],
  not_implemented: [501, 'Not available on this installation'],
  overloaded: [503, 'The service is overloaded'],
  unavailable: [503, 'The service is unavailable'],
} as const satisfies Record<string, readonly [status: number, title: string]>

export type ProblemCode = keyof typeof problems
export const problemCodes = Object.keys(problems) as ProblemCode[]

interface ProblemExtras {
  /** Replaces the status of the code, for errors of HTTP itself. */
  status?: number
  detail?: string
  errors?: (NonNullable<Problem['errors']>[number] & { code: FaultCode })[]
  headers?: Record<string, string>
}

/** An error that is sent to the client. Any other error becomes `internal`. */
export class ApiError extends Error {
  declare readonly code: ProblemCode
  declare readonly statusCode: number
  declare readonly extras: ProblemExtras

  /** @param cause the internal error, for the log and never for the client */
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
/** The first row, or 404. @throws {ApiError} not_found (404) */
export function firstOrNotFound<Row>(rows: readonly Row[]): Row {
  const [row] = rows
  if (row === undefined) throw notFound()
  return row
}
export const overloaded = (): ApiError => new ApiError('overloaded', retry)
export const unavailable = (cause?: unknown): ApiError => new ApiError('unavailable', retry, cause)
const UNKNOWN_OUTCOME =
  'The outcome of this write is unknown: repeat the request with the same Idempotency-Key, or check the resource.'
/** For a write whose commit was sent but not confirmed. */
export const unknownOutcome = (cause?: unknown): ApiError =>
  new ApiError('unavailable', { ...retry, detail: UNKNOWN_OUTCOME }, cause)

/** The WWW-Authenticate header (RFC 6750, section 3). */
const challenge = (parameters = '') => ({
  headers: { 'www-authenticate': `Bearer realm="todo"${parameters}` },
})

/** 401. The challenge has an error code only when a token was sent (RFC 6750, section 3.1). */
export const unauthorized = (
  code:
    | 'missing_token'
    | 'invalid_token'
    | 'expired_token'
    | 'revoked_token'
    | 'invalid_credentials'
    | 'code_required'
    | 'invalid_code',
): ApiError => {
  const sentNone = code === 'missing_token' || !code.endsWith('_token')
  const reason = `, error="invalid_token", error_description="${problems[code][1]}"`
  return new ApiError(code, challenge(sentNone ? '' : reason))
}

/** 403 (RFC 6750, section 3.1). @param needed the required scopes, if known */
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

/** 403 with the challenge of RFC 9470, section 3, which uses 401. */
export const loginRequired = (): ApiError =>
  new ApiError('login_required', challenge(', error="insufficient_user_authentication", max_age="600"'))

/** 400 for a body member that the schema accepts. @param pointer the JSON Pointer of the member */
export const invalidMember = (pointer: string, code: FaultCode, message: string): ApiError =>
  new ApiError('invalid_request', {
    detail: 'The body is invalid: see errors.',
    errors: [{ pointer, code, message }],
  })

/** 400 for a path parameter, a query parameter or a header. */
export const invalidParameter = (parameter: string, code: FaultCode, message: string): ApiError =>
  new ApiError('invalid_request', {
    detail: 'The request is invalid: see errors.',
    errors: [{ parameter, code, message }],
  })

/** 409: another request with the same Idempotency-Key has not finished. */
export const requestInProgress = (): ApiError => new ApiError('request_in_progress', retry)

/** 409. @param objects what there are too many of, in plural */
export const quotaExceeded = (objects: string, limit: number): ApiError =>
  new ApiError('quota_exceeded', {
    detail: `An account can have at most ${limit} ${objects}. Delete some, then try again.`,
  })
