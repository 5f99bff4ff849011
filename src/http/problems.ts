import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { DatabaseError } from 'pg'
import { innermost } from '../database/connection-errors.ts'
import { type ConstraintErrors, fromDatabase, isSchemaGap } from '../database/errors.ts'
import { ApiError, notFound, type ProblemCode } from './errors.ts'
import { INVALID_TARGET, SERVER_TARGET } from './request-target.ts'
import type { Problem } from './schemas.ts'

const frameworkErrors: Record<string, ProblemCode> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'payload_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'malformed_json',
  FST_ERR_CTP_INVALID_JSON_BODY: 'malformed_json',
}

/**
 * What the client is told of an error. Never anything of Postgres or of the stack.
 * @param constraints the client errors that features have registered for their constraints
 */
export function toApiError(error: unknown, constraints: ConstraintErrors = {}): ApiError {
  if (error instanceof ApiError) return error
  if (error instanceof DatabaseError)
    return fromDatabase(error, constraints) ?? new ApiError('internal', {}, error)
  const { code, statusCode } = error as FastifyError
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
  const { features = [] } = request.server
  const constraints: ConstraintErrors = Object.assign({}, ...features.map((feature) => feature.constraints))
  const known = toApiError(error, constraints)
  request.problem = known.code
  request.cause = known.statusCode >= 500 && known.cause ? innermost(known.cause) : undefined
  if (known.code === 'internal') request.log.error({ err: error }, 'request failed')
  if (isSchemaGap(error, constraints))
    request.log.error({ err: error }, 'PostgreSQL refused a value that the schema accepts')
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
