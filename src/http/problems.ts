import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { DatabaseError } from 'pg'
import { describeCause } from '../database/connection-errors.ts'
import { type ConstraintErrors, fromDatabase, isSchemaGap } from '../database/errors.ts'
import { ApiError, notFound, type ProblemCode } from './errors.ts'
import type { Problem } from './problem-schema.ts'
import { INVALID_TARGET, SERVER_TARGET } from './routing.ts'

const frameworkErrors: Record<string, ProblemCode> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'payload_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'malformed_json',
  FST_ERR_CTP_INVALID_JSON_BODY: 'malformed_json',
}

/**
 * Converts any error to one for the client, without internals.
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

/** Creates a problem document (RFC 9457). */
export function toProblem(error: ApiError, request: { url: string; id: string }, basePath = ''): Problem {
  return {
    type: `${basePath}/problems/${error.code}`,
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
  request.cause = known.statusCode >= 500 && known.cause ? describeCause(known.cause) : undefined
  if (known.code === 'internal') request.log.error({ err: error }, 'request failed')
  if (isSchemaGap(error, constraints))
    request.log.error({ err: error }, 'PostgreSQL rejected a value that the request schema accepts')
  return reply
    .code(known.statusCode)
    .headers(known.extras.headers ?? {})
    .header('cache-control', 'no-store')
    .type('application/problem+json')
    .send(JSON.stringify(toProblem(known, { url: toInstance(request, basePath), id: request.id }, basePath)))
}

/** The path with BASE_PATH; the original target if it has no path, and empty if it could not be parsed. */
function toInstance({ url, originalUrl }: FastifyRequest, basePath: string): string {
  if (url !== INVALID_TARGET && url !== SERVER_TARGET) return basePath + url
  return originalUrl === INVALID_TARGET ? '' : originalUrl
}

/** Sends problem documents for all errors and for missing files; http/routing.ts handles other unknown paths. */
export function handleErrors(app: FastifyInstance, basePath = ''): void {
  app.setErrorHandler((error, request, reply) => sendProblem(error, request, reply, basePath))
  app.setNotFoundHandler((request, reply) => sendProblem(notFound(), request, reply, basePath))
}
