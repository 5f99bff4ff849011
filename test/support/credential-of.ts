import type { Credential } from '../../src/database/database.ts'

/** The credential that an access token names. */
export function credentialOf(token: string): Credential & { session_id: string } {
  const claims = JSON.parse(Buffer.from(`${token.split('.')[1]}`, 'base64url').toString())
  return {
    user_id: claims.sub,
    session_id: claims.sid,
    secret: Buffer.from(claims.session_secret, 'base64url'),
  }
}
