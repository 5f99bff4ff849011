import { createHash, createHmac, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'

/** Prefixes that people and secret scanners recognise: personal access token, refresh token. */
const prefixes = { access: 'todo_pat_', refresh: 'todo_rt_' } as const
type Kind = keyof typeof prefixes

const USER_BYTES = 16
const SECRET_BYTES = 32

/** What the holder of an opaque token sends, taken apart. */
export interface Secret {
  user_id: string
  /** 256 bits that are kept nowhere. */
  secret: Buffer
  /** SHA-256 of the secret: what the database keeps. */
  hash: Buffer
}

/** A new secret, its hash, and the function that makes the token of it once its user is known. */
export function createSecret(kind: Kind, secret: Buffer = randomBytes(SECRET_BYTES)) {
  return {
    hash: createHash('sha256').update(secret).digest(),
    /** The prefix, and in base64url the user's id, the secret and a CRC-32 of all that. */
    tokenFor(user_id: string): string {
      const body = Buffer.concat([Buffer.from(user_id.replaceAll('-', ''), 'hex'), secret])
      return prefixes[kind] + Buffer.concat([body, checksum(kind, body)]).toString('base64url')
    },
  }
}

/** Whether a text claims to be a token of this kind. */
export const looksLike = (kind: Kind, text: string): boolean => text.startsWith(prefixes[kind])

/** Takes a token apart; undefined when it is not exactly what {@link createSecret} makes: cut, mistyped, made up. */
export function parseSecret(kind: Kind, text: string): Secret | undefined {
  const encoded = text.slice(prefixes[kind].length)
  const bytes = Buffer.from(encoded, 'base64url')
  const body = bytes.subarray(0, USER_BYTES + SECRET_BYTES)
  const whole = Buffer.concat([body, checksum(kind, body)])
  if (!looksLike(kind, text) || whole.toString('base64url') !== encoded) return undefined
  const secret = body.subarray(USER_BYTES)
  const id = body.subarray(0, USER_BYTES).toString('hex')
  return {
    user_id: id.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
    secret,
    hash: createSecret(kind, secret).hash,
  }
}

/**
 * The secret that follows a spent one: HMAC-SHA256 (RFC 2104) of a random seed. Whoever has the database
 * lacks the spent secret, whoever has the spent secret lacks the seed; and a retry gives the same again.
 */
export const deriveSuccessor = (spent: Buffer, seed: Buffer): Buffer =>
  createHmac('sha256', spent).update(seed).digest()

function checksum(kind: Kind, body: Buffer): Buffer {
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32(Buffer.concat([Buffer.from(prefixes[kind]), body])))
  return sum
}
