import type { IncomingHttpHeaders } from 'node:http'
import { invalidParameter } from './errors.ts'

/** A list of entity tags; empty elements are allowed (RFC 9110, section 5.6.1.2). */
const LIST = /^[ \t,]*(?:(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"[ \t]*(?:,[ \t,]*|$))+$/

/** The strong entity tag of a version (RFC 9110, section 8.8.3). */
export const toEntityTag = (version: number): string => `"${version}"`

function parse(name: string, header: string | undefined): string[] {
  if (header === undefined) return []
  if (!LIST.test(header))
    throw invalidParameter(name, 'wrong_format', 'must be a list of entity tags, for example "1", "2"')
  return Array.from(header.matchAll(/(?:W\/)?"[^"]*"/g), ([tag]) => tag)
}

/** The versions that a conditional write allows and refuses; null means any version. */
export interface Precondition {
  allowed: number[] | null
  refused: number[] | null
}
/** The precondition of an unconditional write. */
export const ANY_VERSION: Precondition = { allowed: null, refused: [] }

/**
 * Reads If-Match (RFC 9110, section 13.1.1), which is compared strongly, so weak tags match nothing, and If-None-Match
 * (section 13.1.2), which is compared weakly.
 * @throws {ApiError} invalid_request (400) when a header is not a list of entity tags
 */
export function toPrecondition(headers: IncomingHttpHeaders): Precondition {
  const { 'if-match': match, 'if-none-match': noneMatch } = headers
  const refused = noneMatch === '*' ? null : toVersions(parse('If-None-Match', noneMatch).map(weaken))
  return match === undefined || match === '*'
    ? { allowed: null, refused }
    : { allowed: toVersions(parse('If-Match', match)), refused }
}

/**
 * Whether If-Match (RFC 9110, section 13.1.1) is absent or contains the tag, compared strongly.
 * @throws {ApiError} invalid_request (400) when it is not a list of entity tags
 */
export const matchesAny = (header: string | undefined, tag: string): boolean =>
  header === undefined || header === '*' || parse('If-Match', header).includes(tag)

/**
 * Whether If-None-Match (RFC 9110, section 13.1.2) does not contain the tag, compared weakly.
 * @throws {ApiError} invalid_request (400) when it is not a list of entity tags
 */
export const isModified = (header: string | undefined, tag: string): boolean =>
  header !== '*' && !parse('If-None-Match', header).map(weaken).includes(tag)

const weaken = (tag: string) => tag.replace(/^W\//, '')
const toVersions = (tags: string[]) =>
  tags.flatMap((tag) => (/^"[1-9]\d{0,8}"$/.test(tag) ? [Number(tag.slice(1, -1))] : []))
