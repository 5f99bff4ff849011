import { hkdfSync } from 'node:crypto'
import type { Config } from '../config.ts'

/** What proves to the outbox that the API is asking; the database keeps only a hash. */
export interface SenderSecret {
  sender: Buffer
  /** The same from JWT_SECRET_PREVIOUS, during a rotation. */
  previousSender: Buffer | null
}

/** Derives it from JWT_SECRET (HKDF, RFC 5869). */
export function createSenderSecret(config: Pick<Config, 'JWT_SECRET' | 'JWT_SECRET_PREVIOUS'>): SenderSecret {
  const { JWT_SECRET: secret, JWT_SECRET_PREVIOUS: previous } = config
  return { sender: derive(secret), previousSender: previous ? derive(previous) : null }
}

const derive = (secret: string): Buffer =>
  Buffer.from(hkdfSync('sha256', secret, '', 'todo-api mail sender', 32))
