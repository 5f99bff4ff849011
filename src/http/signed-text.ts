import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Config } from '../config.ts'

/**
 * Hands out text that clients send back unchanged, such as cursors: base64url, and a signature over it and over what it
 * is bound to. What the previous secret has signed is still valid.
 * @param purpose gives each use a key of its own
 */
export type SignedText = ReturnType<typeof createSignedText>
export function createSignedText(
  { JWT_SECRET, JWT_SECRET_PREVIOUS }: Pick<Config, 'JWT_SECRET' | 'JWT_SECRET_PREVIOUS'>,
  purpose: string,
) {
  const toKey = (secret: string) => createHmac('sha256', secret).update(purpose).digest()
  const [key, ...previous] = [JWT_SECRET, JWT_SECRET_PREVIOUS].filter(Boolean).map(toKey) as [Buffer]
  const sign = (key: Buffer, payload: string, bound: readonly unknown[]): Buffer =>
    createHmac('sha256', key)
      .update(JSON.stringify([payload, ...bound]))
      .digest()
      .subarray(0, 16)

  return {
    write(text: string, ...bound: unknown[]): string {
      const payload = Buffer.from(text).toString('base64url')
      return `${payload}.${sign(key, payload, bound).toString('base64url')}`
    },
    /** The text, or undefined when it is not ours or bound to something else. */
    read(signed: string, ...bound: unknown[]): string | undefined {
      const [payload = '', signature = ''] = signed.split('.')
      const given = Buffer.from(signature, 'base64url')
      const isOurs = [key, ...previous].some((key) => {
        const expected = sign(key, payload, bound)
        return given.length === expected.length && timingSafeEqual(given, expected)
      })
      return isOurs ? String(Buffer.from(payload, 'base64url')) : undefined
    },
  }
}
