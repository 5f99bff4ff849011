import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto'
import { Secret, TOTP } from 'otpauth'

/** RFC 4226, section 4, R6: 160 bits. */
const SEED_BYTES = 20
const PERIOD_SECONDS = 30
/** Codes of the step before and after are accepted, for clocks that differ (RFC 6238, section 5.2). */
const WINDOW = 1
type Keys = Readonly<Record<'TOTP_KEY' | 'TOTP_KEY_PREVIOUS', string>>
const CIPHER = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16

const RECOVERY_CODES = 10
/** 120 bits: too many to guess, so a fast hash protects them (NIST SP 800-63B asks for 112). */
const RECOVERY_BYTES = 15
const RECOVERY_FORM = /^[a-z2-7]{24}$/

export const createSeed = (): Buffer => randomBytes(SEED_BYTES)

/** The seed in base32, as people type it into an authenticator app. */
export const toBase32 = (seed: Buffer): string => toSecret(seed).base32

/** The URI that authenticator apps read from a QR code. */
export const toOtpauthUrl = (seed: Buffer, issuer: string, email: string): string =>
  new TOTP({ issuer, label: email, secret: toSecret(seed) }).toString()

/**
 * Checks a code of six digits (RFC 6238).
 * @param now milliseconds since 1970
 * @returns the time step that it belongs to, undefined when it is wrong
 */
export function findStep(seed: Buffer, code: string, now: number): number | undefined {
  const delta = new TOTP({ secret: toSecret(seed) }).validate({ token: code, timestamp: now, window: WINDOW })
  return delta === null ? undefined : Math.floor(now / 1000 / PERIOD_SECONDS) + delta
}

/** What shows the database that the API has the seed, without showing the seed. */
export const proveSeed = (seed: Buffer): Buffer =>
  createHmac('sha256', seed).update('todo-api second factor').digest()

/** Encrypts and decrypts seeds. */
export interface SeedBox {
  /** Whether there is a key. Without one no second factor can be added. */
  readonly hasKey: boolean
  /** Encrypts with AES-256-GCM, bound to the user, so that the result is useless in another user's row. */
  seal(seed: Buffer, userId: string): Buffer
  /**
   * Decrypts with the current key or the previous one.
   * @returns the seed, and whether it should be encrypted again with the current key
   * @throws {Error} when it was sealed with neither
   */
  open(sealed: Buffer, userId: string): { seed: Buffer; isStale: boolean }
}

/** Creates the box from the current key and, during a rotation, the previous one; both may be empty. */
export function createSeedBox({ TOTP_KEY, TOTP_KEY_PREVIOUS }: Keys): SeedBox {
  const keys = [TOTP_KEY, TOTP_KEY_PREVIOUS]
    .filter(Boolean)
    .map((secret) => Buffer.from(hkdfSync('sha256', secret, '', 'todo-api totp seed', 32)))
  return {
    hasKey: TOTP_KEY !== '',
    seal(seed, userId) {
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv(CIPHER, keys[0] as Buffer, nonce).setAAD(Buffer.from(userId))
      return Buffer.concat([nonce, cipher.update(seed), cipher.final(), cipher.getAuthTag()])
    },
    open(sealed, userId) {
      for (const [index, key] of keys.entries()) {
        const decipher = createDecipheriv(CIPHER, key, sealed.subarray(0, NONCE_BYTES))
        decipher.setAAD(Buffer.from(userId)).setAuthTag(sealed.subarray(-TAG_BYTES))
        const decrypted = decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES))
        try {
          return { seed: Buffer.concat([decrypted, decipher.final()]), isStale: index > 0 }
        } catch {}
      }
      throw new Error(
        'The seed of a second factor was encrypted with neither TOTP_KEY nor TOTP_KEY_PREVIOUS.',
      )
    },
  }
}

/** Recovery codes as they are shown, such as `abcd-efgh-ijkl-mnop-qrst-uvwx`. */
export const createRecoveryCodes = (): string[] =>
  Array.from(
    { length: RECOVERY_CODES },
    () => `${toBase32(randomBytes(RECOVERY_BYTES)).toLowerCase().match(/.{4}/g)?.join('-')}`,
  )

/** A code without differences of case, spaces and hyphens. */
const simplify = (code: string) => code.replace(/[\s-]/g, '').toLowerCase()

/** The bytes of a recovery code of which the database stores the SHA-256. */
export const toRecoverySecret = (code: string): Buffer => Buffer.from(simplify(code))

/** Reads what a user sent as a code: six digits of the app, or a recovery code; nothing when it is neither. */
export function parseCode(code: string): { digits?: string; recovery?: Buffer } {
  const simple = simplify(code)
  if (/^\d{6}$/.test(simple)) return { digits: simple }
  return RECOVERY_FORM.test(simple) ? { recovery: toRecoverySecret(code) } : {}
}

const toSecret = (seed: Buffer) => new Secret({ buffer: new Uint8Array(seed).buffer })
