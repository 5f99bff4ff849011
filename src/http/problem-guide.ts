import { accountProblems, type Guide } from './account-problems.ts'
import { ApiError, insufficientScope, invalidMember, type ProblemCode, quotaExceeded } from './errors.ts'

const RETRY =
  'Wait for the number of seconds in `Retry-After`, then send the request again. Send a write with the same `Idempotency-Key`, so that it happens only once.'

/** What a reader needs to know about each problem, for `/problems/{code}`. A new problem needs an entry here. */
export const problemGuide: Readonly<Record<ProblemCode, Guide>> = {
  ...accountProblems,
  invalid_request: {
    meaning: 'The body, a parameter or a header does not match what the operation accepts.',
    causes: [
      'A required member is missing, or a member has the wrong type or form.',
      'The name of a member or parameter is misspelt: unknown names are rejected.',
      'The request is not valid HTTP. The status is then 408, 417 or 431 where HTTP defines one.',
    ],
    remedy:
      'Read `errors`: each entry names the member (`pointer`) or the parameter, a stable code and what is allowed. At most 20 entries are listed.',
  },
  invalid_mailed_token: {
    meaning: 'The token from a mailed link does not work.',
    causes: [
      'The link was used before, or a newer request or another change of the account has replaced it.',
      'The link has expired: 30 minutes for a new password, one day to confirm an address, seven days to undo its change.',
      'The link was cut or mistyped.',
    ],
    remedy: 'Request a new mail with `POST /password/forgot` or `POST /me/email/verify`.',
  },
  malformed_json: {
    meaning: 'The body cannot be parsed as JSON in UTF-8.',
    causes: [
      'A trailing comma, a comment, single quotes or a missing bracket.',
      'A body that is empty, or that the shell changed: quote it with single quotes.',
    ],
    remedy: 'Create the body with a JSON serializer and send it in UTF-8.',
  },
  invalid_cursor: {
    meaning: 'The cursor does not belong to this list.',
    causes: [
      'The filters or the sort order differ from those of the page that returned the cursor.',
      'The cursor or sync token was cut, changed or made for another user.',
    ],
    remedy:
      'Send the `next_cursor` of the previous page with the same parameters, or start at the first page.',
  },
  missing_token: {
    meaning: 'The operation requires a bearer token and none was sent.',
    causes: ['There is no `Authorization` header, or its scheme is not `Bearer`.'],
    remedy: 'Log in with `POST /login` and send `Authorization: Bearer` followed by the access token.',
  },
  invalid_token: {
    meaning: 'The token is not one that this service issued.',
    causes: [
      'The token was cut or mistyped.',
      'A refresh token was sent in place of an access token, or the other way round.',
      'The token was issued by another installation, or the signing key has changed.',
    ],
    remedy: 'Check that the whole token is sent, once. Otherwise log in again.',
  },
  expired_token: {
    meaning: 'The access token is past its lifetime, which `expires_in` of the login states in seconds.',
    causes: ['The client did not refresh the token in time.'],
    remedy: 'Send the refresh token to `POST /refresh`, then repeat the request with the new access token.',
  },
  revoked_token: {
    meaning: 'The token was valid, but its session or the token itself has ended.',
    causes: [
      'A logout, a new password, or the session was ended on another device.',
      'The personal access token was revoked or has expired, or the one that created it was.',
      'A refresh token was used twice, more than ten seconds apart: the session ends, because the token may be stolen.',
    ],
    remedy: 'Log in again, or create a new personal access token.',
  },
  invalid_credentials: {
    meaning:
      'The email and password do not match an account. The response does not reveal whether the email exists.',
    causes: ['The password or the email address is mistyped.', 'The account was deleted.'],
    remedy: 'Check both and try again. Failed logins count towards the rate limit.',
  },
  insufficient_scope: {
    meaning: 'The token is valid, but it does not have the scope that the operation requires.',
    causes: ['A personal access token was created with fewer scopes than the operation needs.'],
    remedy:
      'Use a token with the scope named in `detail`. A login has all scopes: `todos:read`, `todos:write` and `account`.',
  },
  email_unverified: {
    meaning: 'This service accepts changes only from users who have confirmed their email address.',
    causes: ['The link in the mail that followed the registration has not been used.'],
    remedy:
      'Follow the link in that mail, or request another one with `POST /me/email/verify`. Reading and the account itself are not restricted.',
  },
  login_required: {
    meaning: 'The operation cannot be undone and requires a recent login.',
    causes: ['The login is more than ten minutes old.', 'A personal access token was used.'],
    remedy: 'Log in again with the password, then repeat the request.',
  },
  not_found: {
    meaning:
      'The path does not exist, or there is no such object among yours. Objects of other users give the same response.',
    causes: ['The ID is mistyped or belongs to another account.', 'The object was deleted.'],
    remedy: 'List the objects to find the right ID, and check the path against the reference.',
  },
  mail_disabled: {
    meaning: 'The operation works by mail, which this installation does not send.',
    causes: ['The operator has not set `MAIL_URL`.'],
    remedy: 'Ask the operator of the service.',
  },
  method_not_allowed: {
    meaning: 'The path exists, but not for this method.',
    causes: ['`PUT` in place of `PATCH`, or `POST` on the path of a single object.'],
    remedy: 'Use one of the methods in the `Allow` header.',
  },
  not_acceptable: {
    meaning: 'The `Accept` header excludes JSON, the only format of this operation.',
    causes: ['`Accept: text/html`, or `application/json;q=0`.'],
    remedy: 'Send `Accept: application/json`, or leave the header out.',
  },
  conflict: {
    meaning:
      'The request conflicts with data that is already stored, in a way for which there is no code of its own.',
    causes: ['A fault of the service, which should have a code for this conflict. The log has the cause.'],
    remedy: 'Read the current state, then decide whether the request is still needed.',
  },
  request_in_progress: {
    meaning: 'A request with the same `Idempotency-Key` has not finished yet.',
    causes: ['A retry was sent while the first request was still running.'],
    remedy: 'Wait for the number of seconds in `Retry-After`, then retry with the same key and body.',
  },
  sync_token_expired: {
    meaning: 'The changes since this sync token are no longer known.',
    causes: ['The client did not sync for 30 days.', 'The database was restored or replaced.'],
    remedy:
      'Start again without `since`. Keep the writes that wait to be sent, and replace the stored todos by those of the responses.',
  },
  precondition_failed: {
    meaning: 'The version of the object is not one that `If-Match` or `If-None-Match` allows.',
    causes: ['Someone, or another tab, changed the object since you read it.'],
    remedy: 'Read the object again, merge your change, and send it with the new `ETag`.',
  },
  payload_too_large: {
    meaning: 'The body is larger than 256 KiB.',
    causes: ['A batch with many long notes.'],
    remedy: 'Split the request into smaller ones.',
  },
  unsupported_media_type: {
    meaning: 'The body is not declared as JSON in UTF-8, or it is compressed.',
    causes: [
      'The `Content-Type` header is missing: curl sends a form by default.',
      'A `Content-Encoding` header, or another charset than UTF-8.',
    ],
    remedy: 'Send `Content-Type: application/json`. The response headers name the supported types.',
  },
  idempotency_key_reused: {
    meaning: 'The `Idempotency-Key` was already used for a different request.',
    causes: ['The body, path or precondition changed, but the key did not.'],
    remedy: 'Use a new key for each new request, and the old key only for an exact retry.',
  },
  rate_limited: {
    meaning: 'You sent more requests than a rate limit allows. `detail` names the limit.',
    causes: [
      'A loop without a pause, or many clients behind one address.',
      'Repeated logins: an account has a lower limit than an address.',
    ],
    remedy:
      'Wait for the number of seconds in `Retry-After`. The `RateLimit` header shows how many requests are left.',
  },
  internal: {
    meaning: 'The service failed in an unexpected way. It is not your fault.',
    causes: ['A defect in the service. The cause is in its log.'],
    remedy: 'Report the `request_id`. Repeating a write is safe with an `Idempotency-Key`.',
  },
  not_implemented: {
    meaning: 'This installation does not have the operation.',
    causes: ['Its database is sharded (`DATABASE_SHARDED`), where there is no trash and no sync.'],
    remedy: 'Deleting a todo is final on this installation. Read the list of todos instead of the changes.',
  },
  overloaded: {
    meaning: 'The service has more work than it can do and rejected the request before starting it.',
    causes: ['A burst of requests.'],
    remedy: RETRY,
  },
  unavailable: {
    meaning: 'The service cannot reach its database in time, or is shutting down.',
    causes: ['A restart or a failover.', 'The database is slow or locked.'],
    remedy: RETRY,
  },
}

/** An error with this code, as it typically occurs: for examples. */
export function exampleError(code: ProblemCode): ApiError {
  if (code === 'invalid_request') return invalidMember('/title', 'too_long', 'must have 1 to 200 characters')
  if (code === 'insufficient_scope') return insufficientScope(['todos:write'])
  if (code === 'quota_exceeded') return quotaExceeded('todos', 100_000)
  if (code !== 'rate_limited') return new ApiError(code)
  const detail = 'The limit "api" allows 1000 requests in 60 seconds; retry after 42 s.'
  return new ApiError(code, { detail })
}
