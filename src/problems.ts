import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { DatabaseError } from 'pg'
import {
  ApiError,
  insufficientScope,
  invalidMember,
  notFound,
  type ProblemCode,
  unavailable,
} from './errors.ts'
import type { Problem } from './schema.ts'

/** The database's constraints that a client can violate, and what it is then told. */
const constraints: Record<string, () => ApiError> = {
  users_email_key: () => new ApiError('email_taken'),
  access_tokens_expires_later: () => invalidMember('/expires_at', 'past', 'must be in the future'),
}

/** Unique and exclusion violations and missing references: what is stored is in the way. */
const CONFLICT = /^(23503|23505|23P01)$/
/** Data exceptions, other constraints, and program limits such as the size of an index entry. */
const BAD_VALUE = /^(22|23|54)/

/** From SQLSTATE (PostgreSQL manual, appendix A) to the client's error; undefined when it is our fault. */
function fromDatabase(error: DatabaseError): ApiError | undefined {
  const known = error.constraint && constraints[error.constraint]
  if (known) return known()
  if (error.code === '42501') return insufficientScope()
  if (CONFLICT.test(`${error.code}`)) return new ApiError('conflict')
  if (BAD_VALUE.test(`${error.code}`))
    return new ApiError('invalid_request', { detail: 'A value in the request cannot be stored.' })
  // No such prepared statement, which a pooler has lost; serialization failure, deadlock, lock not available; out of
  // resources, operator's intervention (a timeout, too).
  return /^(26|40|55P03|53|57)/.test(`${error.code}`) ? unavailable() : undefined
}

/** Whether the schema should have refused the request: a client error, but one to look into. */
const isSchemaGap = (error: unknown): boolean =>
  error instanceof DatabaseError && BAD_VALUE.test(`${error.code}`) && !constraints[`${error.constraint}`]

const frameworkErrors: Record<string, ProblemCode> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'payload_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'malformed_json',
  FST_ERR_CTP_INVALID_JSON_BODY: 'malformed_json',
}

/** What the client is told of an error. Never anything of Postgres or of the stack. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  if (error instanceof DatabaseError) return fromDatabase(error) ?? new ApiError('internal')
  const { code, statusCode } = error as FastifyError
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
  request.problem = known.code
  if (known.code === 'internal') request.log.error({ err: error }, 'request failed')
  if (isSchemaGap(error))
    request.log.error({ err: error }, 'PostgreSQL refused a value that the schema accepts')
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
