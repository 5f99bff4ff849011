import { DatabaseError } from 'pg'
import { ApiError, insufficientScope, invalidMember, unauthorized, unavailable } from '../errors.ts'

/** Constraints that a client can violate, and the client error for each. */
const constraints: Record<string, () => ApiError> = {
  users_email_key: () => new ApiError('email_taken'),
  access_tokens_expires_later: () => invalidMember('/expires_at', 'past', 'must be in the future'),
}

const FOREIGN_KEY_VIOLATION = '23503'
const INSUFFICIENT_PRIVILEGE = '42501'

/** The client error for an error of PostgreSQL, by its SQLSTATE (manual, appendix A); undefined when the fault is ours. */
export function fromDatabase(error: DatabaseError): ApiError | undefined {
  const known = error.constraint && constraints[error.constraint]
  if (known) return known()
  // Every foreign key leads to the user or the session of the request: it was deleted while this write ran.
  if (error.code === FOREIGN_KEY_VIOLATION) return unauthorized('revoked_token')
  if (error.code === INSUFFICIENT_PRIVILEGE) return insufficientScope()
  // A prepared statement lost by a pooler; serialization failure, deadlock; lock not available; out of resources;
  // operator intervention, which includes timeouts.
  return /^(26|40|55P03|53|57)/.test(`${error.code}`) ? unavailable() : undefined
}

const SERIALIZATION_FAILURE = '40001'
const DEADLOCK_DETECTED = '40P01'

/** Whether the same work may succeed when it runs again: the transaction was rolled back whole, through no fault of its own. */
export const isTransient = (error: unknown): boolean =>
  error instanceof DatabaseError && [SERIALIZATION_FAILURE, DEADLOCK_DETECTED].includes(`${error.code}`)
