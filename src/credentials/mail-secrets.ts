import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import type { Config } from '../config.ts'

const ALGORITHM = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** What the outbox needs that the database must not have, derived from JWT_SECRET (HKDF, RFC 5869). */
export interface MailSecrets {
  /** What the API identifies itself with to the outbox; the database keeps only a hash. */
  sender: Buffer
  /** The same from JWT_SECRET_PREVIOUS, during a rotation. */
  previousSender: Buffer | null
  /** Encrypts a token that waits in the outbox (AES-256-GCM). */
  seal(token: string): string
  /** Decrypts a token. @returns undefined when it was sealed with another secret, or changed */
  open(sealed: string): string | undefined
}

/** Derives the secrets of the outbox. */
export function createMailSecrets(config: Pick<Config, 'JWT_SECRET' | 'JWT_SECRET_PREVIOUS'>): MailSecrets {
  const { JWT_SECRET: secret, JWT_SECRET_PREVIOUS: previous } = config
  const secrets = previous ? [secret, previous] : [secret]
  const [key, ...olderKeys] = secrets.map((from) => derive(from, 'mailed token')) as [Buffer, ...Buffer[]]
  return {
    sender: derive(secret, 'mail sender'),
    previousSender: previous ? derive(previous, 'mail sender') : null,
    seal(token) {
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv(ALGORITHM, key, nonce)
      const text = Buffer.concat([cipher.update(token, 'utf8'), cipher.final()])
      return Buffer.concat([nonce, text, cipher.getAuthTag()]).toString('base64url')
    },
    open(sealed) {
      for (const candidate of [key, ...olderKeys]) {
        const token = decrypt(candidate, Buffer.from(sealed, 'base64url'))
        if (token !== undefined) return token
      }
      return undefined
    },
  }
}

const derive = (secret: string, purpose: string): Buffer =>
  Buffer.from(hkdfSync('sha256', secret, '', `todo-api ${purpose}`, 32))

function decrypt(key: Buffer, sealed: Buffer): string | undefined {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined
  const decipher = createDecipheriv(ALGORITHM, key, sealed.subarray(0, NONCE_BYTES))
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES))
  try {
    return (
      decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8')
    )
  } catch {
    return undefined
  }
}
