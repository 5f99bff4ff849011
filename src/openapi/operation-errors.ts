import { ApiError, type ProblemCode, problemCodes } from '../http/errors.ts'

interface Operation {
  security?: { bearer?: readonly string[] }[]
  parameters?: { name: string }[]
  requestBody?: object
}

const TOKEN: readonly ProblemCode[] = ['missing_token', 'invalid_token', 'expired_token', 'revoked_token']
/** The codes of single operations, where they differ from what all operations of their kind return. */
const special: Readonly<Record<string, readonly ProblemCode[]>> = {
  'post /register 409': ['email_taken'],
  'patch /me 409': ['email_taken'],
  'post /login 401': ['invalid_credentials', 'code_required', 'invalid_code'],
  'post /login 403': ['account_locked'],
  'patch /me 401': [...TOKEN, 'invalid_credentials'],
  'post /refresh 401': ['invalid_token', 'revoked_token'],
  'delete /me/totp 401': [...TOKEN, 'invalid_credentials'],
  'delete /me/totp 403': ['insufficient_scope', 'login_required'],
  'post /me/totp 403': ['insufficient_scope', 'login_required'],
  'post /me/totp 409': ['totp_enabled'],
  'post /me/totp/confirm 403': ['insufficient_scope', 'login_required'],
  'post /todos 409': ['request_in_progress', 'quota_exceeded'],
  'post /todos/batch 409': ['request_in_progress', 'quota_exceeded'],
  'post /tokens 409': ['quota_exceeded'],
  'post /password/forgot 404': ['mail_disabled'],
  'post /me/email/verify 404': ['mail_disabled'],
  'post /me/email/verify 409': ['conflict'],
  'post /email/verify 409': ['email_taken'],
  'post /email/undo 409': ['email_taken'],
  'delete /me 403': ['insufficient_scope', 'login_required'],
  'get /health 503': ['unavailable'],
}

/** The operations that take a mailed token. */
const MAILED = ['/password/reset', '/email/verify', '/email/undo']

/** The problem codes that an operation can return with a status. */
export function findCodes(
  method: string,
  path: string,
  status: number,
  operation: Operation,
): readonly ProblemCode[] {
  const exact = special[`${method} ${path} ${status}`]
  if (exact) return exact
  if (status === 401) return TOKEN
  if (status === 409) return ['request_in_progress']
  if (status === 404) return ['not_found']
  if (status === 403) {
    const isWrite = operation.security?.some(({ bearer }) => bearer?.includes('todos:write'))
    return isWrite ? ['insufficient_scope', 'email_unverified'] : ['insufficient_scope']
  }
  const codes = problemCodes.filter((code) => new ApiError(code).statusCode === status)
  if (status !== 400) return codes
  const hasCursor = operation.parameters?.some(({ name }) => name === 'cursor')
  return codes.filter((code) => {
    if (code === 'malformed_json') return !!operation.requestBody
    if (code === 'invalid_mailed_token') return MAILED.includes(path)
    return code !== 'invalid_cursor' || hasCursor
  })
}
