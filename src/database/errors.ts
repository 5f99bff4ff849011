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
 * Whether an error is a violation of a constraint. Citus passes an error on without its fields: the constraint is named
 * in the message only, an index with the number of the shard appended.
 */
export const violates = ({ code, constraint, message }: DatabaseError, name: string): boolean =>
  constraint === undefined
    ? /^23/.test(`${code}`) && new RegExp(`\\b${name}(_\\d+)?\\b`).test(message)
    : constraint === name

const findConstraint = (error: DatabaseError, constraints: ConstraintErrors) =>
  Object.keys(constraints).find((name) => violates(error, name))

/**
 * Maps a PostgreSQL error to a client error by its constraint or its SQLSTATE (manual, appendix A).
 * @returns undefined when the error is a bug in the API
 */
export function fromDatabase(error: DatabaseError, constraints: ConstraintErrors): ApiError | undefined {
  const known = constraints[`${findConstraint(error, constraints)}`]
  if (known) return known()
  // Every foreign key refers to the user or the session of the request, which was deleted during this write.
  if (error.code === FOREIGN_KEY_VIOLATION) return unauthorized('revoked_token')
  if (error.code === INSUFFICIENT_PRIVILEGE) return insufficientScope()
  if (CONFLICT.test(`${error.code}`)) return new ApiError('conflict')
  if (BAD_VALUE.test(`${error.code}`))
    return new ApiError('invalid_request', { detail: 'The database cannot store a value in this request.' })
  // The server has become read-only. The pool has discarded the connection, and a new one may lead to another server.
  if (error.code === READ_ONLY_SERVER) return unavailable(error)
  // Lost connection of a sharded database to one of its nodes; serialization failure and deadlock; lock timeout; out of
  // resources; operator intervention, including timeouts.
  return isTransient(error) || /^(08|40|55P03|53|57)/.test(`${error.code}`) ? unavailable(error) : undefined
}

/** Whether the request schema should have rejected the value: a client error that is logged as a bug. */
export const isSchemaGap = (error: unknown, constraints: ConstraintErrors): boolean =>
  error instanceof DatabaseError &&
  error.code !== FOREIGN_KEY_VIOLATION &&
  BAD_VALUE.test(`${error.code}`) &&
  !findConstraint(error, constraints)

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

/**
 * Whether an error of COMMIT leaves open what was committed: a sharded database lost a node meanwhile. Citus reports that
 * as a connection failure or an internal error.
 */
export const isOutcomeUnknown = (error: unknown): boolean =>
  error instanceof DatabaseError && /^(08|XX)/.test(`${error.code}`)

/** Whether a policy refused a row. The error of a Citus node comes from the function that passes it on. */
export const isPolicyViolation = ({ code, routine }: DatabaseError): boolean =>
  code === INSUFFICIENT_PRIVILEGE && /^(ExecWithCheckOptions|ReportResultError)$/.test(`${routine}`)
