import { DatabaseError } from 'pg'
import { ApiError, insufficientScope, unauthorized, unavailable } from '../http/errors.ts'
import { READ_ONLY_SERVER } from './server-state.ts'

/** The client error for each constraint that a client can violate; features register them. */
export type ConstraintErrors = Record<string, () => ApiError>

const FOREIGN_KEY_VIOLATION = '23503'
/** Unique and exclusion violations. */
const CONFLICT = /^(23505|23P01)$/
/** Data exceptions, other constraints, and program limits such as the size of an index entry. */
const BAD_VALUE = /^(22|23|54)/
const INSUFFICIENT_PRIVILEGE = '42501'

/**
 * Maps a PostgreSQL error to a client error by its constraint or its SQLSTATE (manual, appendix A).
 * @returns undefined when the error is a bug in the API
 */
export function fromDatabase(error: DatabaseError, constraints: ConstraintErrors): ApiError | undefined {
  const known = constraints[`${error.constraint}`]
  if (known) return known()
  // Every foreign key refers to the user or the session of the request, which was deleted during this write.
  if (error.code === FOREIGN_KEY_VIOLATION) return unauthorized('revoked_token')
  if (error.code === INSUFFICIENT_PRIVILEGE) return insufficientScope()
  if (CONFLICT.test(`${error.code}`)) return new ApiError('conflict')
  if (BAD_VALUE.test(`${error.code}`))
    return new ApiError('invalid_request', { detail: 'The database cannot store a value in this request.' })
  // The server has become read-only. The pool has discarded the connection, and a new one may lead to another server.
  if (error.code === READ_ONLY_SERVER) return unavailable(error)
  // Serialization failure and deadlock; lock timeout; out of resources; operator intervention, including timeouts.
  return isTransient(error) || /^(40|55P03|53|57)/.test(`${error.code}`) ? unavailable(error) : undefined
}

/** Whether the request schema should have rejected the value: a client error that is logged as a bug. */
export const isSchemaGap = (error: unknown, constraints: ConstraintErrors): boolean =>
  error instanceof DatabaseError &&
  error.code !== FOREIGN_KEY_VIOLATION &&
  BAD_VALUE.test(`${error.code}`) &&
  !constraints[`${error.constraint}`]

/** Whether a prepared statement is unknown or already exists (behind a pooler), or its tables have changed. */
const isStale = ({ code, routine }: DatabaseError): boolean =>
  code === '26000' || code === '42P05' || (code === '0A000' && routine === 'RevalidateCachedQuery')

/** Whether a connection must forget its prepared statements. */
export const isPreparedStale = (error: unknown): boolean => error instanceof DatabaseError && isStale(error)

/**
 * Whether a transaction may succeed when it runs again: after a serialization failure, a deadlock or a stale prepared
 * statement. PostgreSQL has rolled back the whole transaction.
 */
export const isTransient = (error: unknown): boolean =>
  error instanceof DatabaseError && (isStale(error) || error.code === '40001' || error.code === '40P01')
