import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { FastifySchemaValidationError } from 'fastify/types/schema.js'
import { DatabaseError } from 'pg'
import { innermost } from '../database/connection-errors.ts'
import { fromDatabase } from '../database/errors.ts'
import { ApiError, notFound, type ProblemCode } from './errors.ts'
import { INVALID_TARGET, SERVER_TARGET } from './request-target.ts'
import type { Problem } from './schemas.ts'

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
/** What the formats of our own demand. */
const formats: Record<string, string> = {
  password: 'must be 8 to 128 characters',
  'idn-email': 'must be an email address',
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
      message: messages[keyword] ?? formats[String(params.format)] ?? String(message),
    }
  })
  return new ApiError('invalid_request', { detail: `The ${context} is not valid: see errors.`, errors })
}

/** What the client is told of an error. Never anything of Postgres or of the stack. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  if (error instanceof DatabaseError) return fromDatabase(error) ?? new ApiError('internal', {}, error)
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

function sendProblem(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  basePath: string,
): FastifyReply {
  const known = toApiError(error)
  request.problem = known.code
  request.cause = known.statusCode >= 500 && known.cause ? innermost(known.cause) : undefined
  if (known.code === 'internal') request.log.error({ err: error }, 'request failed')
  return reply
    .code(known.statusCode)
    .headers(known.extras.headers ?? {})
    .header('cache-control', 'no-store')
    .type('application/problem+json')
    .send(JSON.stringify(toProblem(known, { url: toInstance(request, basePath), id: request.id })))
}

/** The target as it was sent where no path could be read from it; empty when nothing could be read. */
function toInstance({ url, originalUrl }: FastifyRequest, basePath: string): string {
  if (url !== INVALID_TARGET && url !== SERVER_TARGET) return basePath + url
  return originalUrl === INVALID_TARGET ? '' : originalUrl
}

/** Answers every error, and a file that does not exist, with a problem document; for other paths see http/routing.ts. */
export function handleErrors(app: FastifyInstance, basePath = ''): void {
  app.setErrorHandler((error, request, reply) => sendProblem(error, request, reply, basePath))
  app.setNotFoundHandler((request, reply) => sendProblem(notFound(), request, reply, basePath))
}
