import { createHmac } from 'node:crypto'
import { foldCase, toOpaqueString } from '../http/text.ts'

const MIN_CHARACTERS = 8
const MAX_CHARACTERS = 128
/** UTF-16 units that 128 characters can come from: NFC makes one of at most four, each of two units. */
const MAX_UNITS = MAX_CHARACTERS * 4 * 2
/** bcrypt ignores what comes after. */
const MAX_BCRYPT_BYTES = 72
/** A shorter part of an email, like `bob`, is in too many good passwords. */
const MIN_LOCAL_PART = 4

/** Marks a pre-hash. No short password starts with it: control characters are refused. */
const LONG = '\u0001long:'
/** Control characters, which no new password may have, and lone surrogates, which UTF-8 cannot express. */
const UNUSABLE = /[\p{Cc}\uD800-\uDFFF]/u

/** The schema format `password`: 8 to 128 characters (code points), however each of them is composed. */
export function isNewPassword(text: string): boolean {
  const characters = countCharacters(text)
  return characters >= MIN_CHARACTERS && characters <= MAX_CHARACTERS
}

/** Whether a password contains the part of an email before the @, without regard to case. */
export function containsLocalPart(password: string, email: string): boolean {
  const local = foldCase(email.slice(0, email.lastIndexOf('@')))
  return [...local].length >= MIN_LOCAL_PART && foldCase(toOpaqueString(password)).includes(local)
}

/**
 * What bcrypt hashes: the normalised password, or a pre-hash of one that is longer than bcrypt reads (OWASP Password
 * Storage Cheat Sheet, "Pre-Hashing Passwords with bcrypt"). Base64 has no NUL, and the key of the HMAC makes it differ
 * from a SHA-384 of the same password that some other service has lost.
 */
export function toBcryptInput(password: string): string {
  const text = toOpaqueString(password)
  if (Buffer.byteLength(text) <= MAX_BCRYPT_BYTES) return text
  return LONG + createHmac('sha384', 'todo-api password').update(text).digest('base64')
}

/** Whether it can be anybody's password. */
export const isPossible = (password: string): boolean =>
  countCharacters(password) <= MAX_CHARACTERS && !UNUSABLE.test(password)

/** Code points after normalisation. What is far too long is not normalised, which can take quadratic time. */
const countCharacters = (text: string): number =>
  text.length > MAX_UNITS ? Number.POSITIVE_INFINITY : [...toOpaqueString(text)].length
