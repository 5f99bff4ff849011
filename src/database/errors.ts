import { DatabaseError } from 'pg'
import { ApiError, insufficientScope, unauthorized, unavailable } from '../http/errors.ts'

/** Constraints that a client can violate, and the client error for each: features register them. */
export type ConstraintErrors = Record<string, () => ApiError>

const FOREIGN_KEY_VIOLATION = '23503'
/** Unique and exclusion violations: what is stored is in the way. */
const CONFLICT = /^(23505|23P01)$/
/** Data exceptions, other constraints, and program limits such as the size of an index entry. */
const BAD_VALUE = /^(22|23|54)/
const INSUFFICIENT_PRIVILEGE = '42501'

/**
 * The client error for an error of PostgreSQL, by its constraint, or else by its SQLSTATE (manual, appendix A); undefined
 * when the fault is ours.
 */
export function fromDatabase(error: DatabaseError, constraints: ConstraintErrors): ApiError | undefined {
  const known = constraints[`${error.constraint}`]
  if (known) return known()
  // Every foreign key leads to the user or the session of the request: it was deleted while this write ran.
  if (error.code === FOREIGN_KEY_VIOLATION) return unauthorized('revoked_token')
  if (error.code === INSUFFICIENT_PRIVILEGE) return insufficientScope()
  if (CONFLICT.test(`${error.code}`)) return new ApiError('conflict')
  if (BAD_VALUE.test(`${error.code}`))
    return new ApiError('invalid_request', { detail: 'A value in the request cannot be stored.' })
  // Serialization failure, deadlock; lock not available; out of resources; operator intervention, which includes
  // timeouts.
  return isTransient(error) || /^(40|55P03|53|57)/.test(`${error.code}`) ? unavailable(error) : undefined
}

/** Whether the schema should have rejected a value: a client error, but one to look into. */
export const isSchemaGap = (error: unknown, constraints: ConstraintErrors): boolean =>
  error instanceof DatabaseError &&
  error.code !== FOREIGN_KEY_VIOLATION &&
  BAD_VALUE.test(`${error.code}`) &&
  !constraints[`${error.constraint}`]

/** The plan of a prepared statement no longer fits its tables; a pooler has lost it, or made it twice. */
const isStale = ({ code, routine }: DatabaseError): boolean =>
  code === '26000' || code === '42P05' || (code === '0A000' && routine === 'RevalidateCachedQuery')

/** Whether a connection should forget what it has prepared. */
export const isPreparedStale = (error: unknown): boolean => error instanceof DatabaseError && isStale(error)

/**
 * Whether the same work may succeed when it runs again, because what failed was not the work: a serialization failure,
 * a deadlock, or a stale prepared statement. PostgreSQL has rolled all of it back.
 */
export const isTransient = (error: unknown): boolean =>
  error instanceof DatabaseError && (isStale(error) || error.code === '40001' || error.code === '40P01')
