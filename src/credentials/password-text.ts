import { createHmac } from 'node:crypto'
import { foldCase, toOpaqueString } from '../http/text.ts'

const MIN_CHARACTERS = 8
const MAX_CHARACTERS = 128
/** The most UTF-16 units that can normalise to 128 characters: up to four code points per character, two units each. */
const MAX_UNITS = MAX_CHARACTERS * 4 * 2
/** bcrypt ignores all bytes after the 72nd. */
const MAX_BCRYPT_BYTES = 72
/** Shorter local parts, like `bob`, occur in too many good passwords. */
const MIN_LOCAL_PART = 4

/** The name of the service, which guesses at its passwords begin with. docs/security.md lists these words. */
const SERVICE_NAME = /todo|api/g

/** Prefix of a pre-hash. No short password starts with it, because control characters are rejected. */
const LONG = '\u0001long:'
/** Control characters, which a new password must not have, and lone surrogates, which UTF-8 cannot encode. */
const UNUSABLE = /[\p{Cc}\uD800-\uDFFF]/u

/** Checks the schema format `password`: 8 to 128 code points after normalisation. */
export function isNewPassword(text: string): boolean {
  const characters = countCharacters(text)
  return characters >= MIN_CHARACTERS && characters <= MAX_CHARACTERS
}

/** Whether a password contains the local part of an email (before the @), ignoring case. */
export function containsLocalPart(password: string, email: string): boolean {
  const local = foldCase(email.slice(0, email.lastIndexOf('@')))
  return [...local].length >= MIN_LOCAL_PART && foldCase(toOpaqueString(password)).includes(local)
}

/** Whether too little of a password is left without the service's name, ignoring case. */
export const isMostlyServiceName = (password: string): boolean =>
  countCharacters(foldCase(toOpaqueString(password)).replaceAll(SERVICE_NAME, '')) < MIN_CHARACTERS

/**
 * Returns the text to hash with bcrypt: the normalised password, or a pre-hash when it has more than 72 bytes (OWASP
 * Password Storage Cheat Sheet, "Pre-Hashing Passwords with bcrypt"). Base64 contains no NUL, and the HMAC key makes it
 * differ from SHA-384 hashes leaked by other services.
 */
export function toBcryptInput(password: string): string {
  const text = toOpaqueString(password)
  if (Buffer.byteLength(text) <= MAX_BCRYPT_BYTES) return text
  return LONG + createHmac('sha384', 'todo-api password').update(text).digest('base64')
}

/** Whether any account can have this password. */
export const isPossible = (password: string): boolean =>
  countCharacters(password) <= MAX_CHARACTERS && !UNUSABLE.test(password)

/** Counts code points after normalisation, which takes quadratic time and is skipped for texts that are too long. */
const countCharacters = (text: string): number =>
  text.length > MAX_UNITS ? Number.POSITIVE_INFINITY : [...toOpaqueString(text)].length
