import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { FastifySchemaValidationError } from 'fastify/types/schema.js'
import { DatabaseError } from 'pg'
import { innermost } from './connection-errors.ts'
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

/** From SQLSTATE (PostgreSQL manual, appendix A) to the client's error; undefined when it is our fault. */
function fromDatabase(error: DatabaseError): ApiError {
  const known = error.constraint && constraints[error.constraint]
  if (known) return known()
  if (error.code === '42501') return insufficientScope()
  // No such prepared statement, which a pooler has lost; serialization failure, deadlock, lock not available; out of
  // resources, operator's intervention (a timeout, too).
  return /^(26|40|55P03|53|57)/.test(`${error.code}`)
    ? unavailable(error)
    : new ApiError('internal', {}, error)
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
  if (error instanceof DatabaseError) return fromDatabase(error)
  const { code, validation, validationContext, statusCode } = error as FastifyError
  if (validation) return fromValidation(String(validationContext), validation)
  const known = frameworkErrors[code]
  if (known) return new ApiError(known)
  return Number(statusCode) < 500 ? new ApiError('invalid_request') : new ApiError('internal', {}, error)
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
  request.cause = known.statusCode >= 500 && known.cause ? innermost(known.cause) : undefined
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
