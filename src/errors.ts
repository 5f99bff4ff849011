import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import postgres from 'postgres'
import type { Problem } from './schema.ts'

const problems = {
  invalid_request: [400, 'The request is not valid'],
  malformed_json: [400, 'The body is not valid JSON'],
  missing_token: [401, 'A bearer token is needed'],
  invalid_token: [401, 'The token is not valid'],
  expired_token: [401, 'The token has expired'],
  revoked_token: [401, 'The session of this token has ended'],
  invalid_credentials: [401, 'Email or password is wrong'],
  insufficient_scope: [403, 'The token may not do this'],
  not_found: [404, 'There is nothing here'],
  method_not_allowed: [405, 'The method is not allowed here'],
  email_taken: [409, 'The email is already registered'],
  payload_too_large: [413, 'The body is too large'],
  unsupported_media_type: [415, 'The body must be application/json'],
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
  readonly code: ProblemCode
  readonly statusCode: number
  readonly extras: ProblemExtras

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

/** The challenge of RFC 6750, section 3; without an error code when no token was sent (3.1). */
export function unauthorized(
  code: 'missing_token' | 'invalid_token' | 'expired_token' | 'revoked_token',
): ApiError {
  const challenge =
    code === 'missing_token'
      ? 'Bearer realm="todo"'
      : `Bearer realm="todo", error="invalid_token", error_description="${problems[code][1]}"`
  return new ApiError(code, { headers: { 'www-authenticate': challenge } })
}

/** RFC 6750, section 3.1: names the scope that is needed. */
export function insufficientScope(scope?: string): ApiError {
  const needed = scope ? `, scope="${scope}"` : ''
  return new ApiError('insufficient_scope', {
    headers: { 'www-authenticate': `Bearer realm="todo", error="insufficient_scope"${needed}` },
  })
}

/** The database's constraints that a client can violate, and what it is then told. */
const constraints: Record<string, ProblemCode> = { users_email_key: 'email_taken' }

/** From SQLSTATE (PostgreSQL manual, appendix A) to the client's error; undefined when it is our fault. */
function fromDatabase(error: postgres.PostgresError): ApiError | undefined {
  const known = error.constraint_name && constraints[error.constraint_name]
  if (known) return new ApiError(known)
  if (error.code === '42501') return insufficientScope()
  // Cancelled by a timeout, lock not available, deadlock, serialization failure.
  if (['57014', '55P03', '40P01', '40001'].includes(error.code)) return unavailable()
  // A class of its own: admin shutdown, too many connections, out of resources.
  if (/^(53|57P|08)/.test(error.code)) return unavailable()
  return undefined
}

const frameworkErrors: Record<string, ProblemCode> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'payload_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'malformed_json',
  FST_ERR_CTP_INVALID_JSON_BODY: 'malformed_json',
}

/** The most members that one answer complains of. */
const MAX_REPORTED = 20

function fromValidation(error: FastifyError): ApiError {
  const part = error.validationContext === 'body' ? 'pointer' : 'parameter'
  const errors = (error.validation ?? [])
    .slice(0, MAX_REPORTED)
    .map(({ keyword, instancePath, params, message }) => {
      // What is missing or unknown is named by Ajv beside the path of the object it is in.
      const member = params.missingProperty ?? params.additionalProperty
      const path =
        member === undefined
          ? instancePath
          : `${instancePath}/${String(member).replaceAll('~', '~0').replaceAll('/', '~1')}`
      const name = part === 'pointer' ? path : path.slice(1)
      return { [part]: name.slice(0, 200), code: keyword, message: (message ?? 'is not valid').slice(0, 200) }
    })
  return new ApiError('invalid_request', {
    detail: `${errors.length === 1 ? 'One member' : 'Some members'} of the ${error.validationContext} ${errors.length === 1 ? 'is' : 'are'} not valid.`,
    errors,
  })
}

/** What the client is told of an error. Never anything of Postgres or of the stack. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  if (error instanceof postgres.PostgresError) return fromDatabase(error) ?? new ApiError('internal')
  const { code, validation, statusCode } = error as FastifyError
  if (validation) return fromValidation(error as FastifyError)
  const known = frameworkErrors[code]
  if (known) return new ApiError(known)
  return new ApiError(statusCode && statusCode < 500 ? 'invalid_request' : 'internal')
}

/** The problem document of RFC 9457. */
export function toProblem(error: ApiError, request: { url: string; id: string }): Problem {
  return {
    type: 'about:blank',
    title: error.message,
    status: error.statusCode,
    code: error.code,
    detail: error.extras.detail ?? `${error.message}.`,
    instance: request.url.split('?', 1)[0]?.slice(0, 2000) ?? '',
    request_id: request.id,
    ...(error.extras.errors && { errors: error.extras.errors }),
  }
}

export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const known = toApiError(error)
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
