import { createHash, createHmac, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'

/** Prefixes of the kinds of tokens, which people and secret scanners recognise. */
const prefixes = {
  access: 'todo_pat_',
  refresh: 'todo_rt_',
  // In mailed links: to choose a new password, to confirm an address, to undo its change.
  reset: 'todo_reset_',
  verify: 'todo_verify_',
  undo: 'todo_undo_',
} as const
type Kind = keyof typeof prefixes
export type MailedKind = 'reset' | 'verify' | 'undo'

const USER_BYTES = 16
const SESSION_BYTES = 16
const SECRET_BYTES = 32
const CHECKSUM_BYTES = 4

/** The parts of an opaque token. */
export interface OpaqueToken {
  user_id: string
  /** The secret that all tokens of a session share; only refresh tokens have it. */
  session_secret: Buffer
  /** 256 bits, of which the database stores only the SHA-256. */
  secret: Buffer
}

export const createSecret = (): Buffer => randomBytes(SECRET_BYTES)
export const createSessionSecret = (): Buffer => randomBytes(SESSION_BYTES)
export const sha256 = (secret: Buffer): Buffer => createHash('sha256').update(secret).digest()

/**
 * Formats a token: the prefix, then in base64url the user's id, the session's secret
 * (refresh tokens only), the secret, and a CRC-32 of everything before.
 */
export function writeToken(
  kind: Kind,
  user_id: string,
  secret: Buffer,
  session_secret: Buffer = Buffer.alloc(0),
): string {
  const body = Buffer.concat([Buffer.from(user_id.replaceAll('-', ''), 'hex'), session_secret, secret])
  return prefixes[kind] + Buffer.concat([body, checksum(kind, body)]).toString('base64url')
}

/** Whether a text has the prefix of this kind of token. */
export const looksLike = (kind: Kind, text: string): boolean => text.startsWith(prefixes[kind])

/** Parses a token. @returns undefined unless it has exactly the form of {@link writeToken} */
export function parseToken(kind: Kind, text: string): OpaqueToken | undefined {
  const encoded = text.slice(prefixes[kind].length)
  const bytes = Buffer.from(encoded, 'base64url')
  const body = bytes.subarray(0, -CHECKSUM_BYTES)
  const sessionBytes = kind === 'refresh' ? SESSION_BYTES : 0
  const isWhole =
    looksLike(kind, text) &&
    body.length === USER_BYTES + sessionBytes + SECRET_BYTES &&
    bytes.subarray(-CHECKSUM_BYTES).equals(checksum(kind, body)) &&
    bytes.toString('base64url') === encoded
  if (!isWhole) return undefined
  const id = body.subarray(0, USER_BYTES).toString('hex')
  return {
    user_id: id.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
    session_secret: body.subarray(USER_BYTES, USER_BYTES + sessionBytes),
    secret: body.subarray(USER_BYTES + sessionBytes),
  }
}

/**
 * Derives the refresh secret that replaces a spent one: HMAC-SHA-256 (RFC 2104) of a random seed. The database does not
 * have the spent secret, the client does not have the seed, and a retry gets the same successor.
 */
export const deriveSuccessor = (spent: Buffer, seed: Buffer): Buffer =>
  createHmac('sha256', spent).update(seed).digest()

function checksum(kind: Kind, body: Buffer): Buffer {
  const sum = Buffer.alloc(CHECKSUM_BYTES)
  sum.writeUInt32BE(crc32(Buffer.concat([Buffer.from(prefixes[kind]), body])))
  return sum
}
