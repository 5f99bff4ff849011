import type { IncomingHttpHeaders } from 'node:http'
import { invalidParameter } from './errors.ts'

/** Empty elements count for nothing (RFC 9110, section 5.6.1.2). */
const LIST = /^[ \t,]*(?:(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"[ \t]*(?:,[ \t,]*|$))+$/

/** The strong entity tag of a version (RFC 9110, section 8.8.3). */
export const toEntityTag = (version: number): string => `"${version}"`

function parse(name: string, header: string | undefined): string[] {
  if (header === undefined) return []
  if (!LIST.test(header)) throw invalidParameter(name, 'wrong_format', 'is not a list of entity tags')
  return header.match(/(?:W\/)?"[^"]*"/g) ?? []
}

/** What a conditional write asks of the version it is for; null is any version. */
export interface Precondition {
  allowed: number[] | null
  refused: number[] | null
}
/** That of a write without conditions. */
export const ANY_VERSION: Precondition = { allowed: null, refused: [] }

/**
 * From If-Match (RFC 9110, section 13.1.1), compared strongly: a weak tag allows none;
 * and If-None-Match (section 13.1.2), compared weakly.
 * @throws {ApiError} invalid_request (400) when one is not a list of entity tags
 */
export function toPrecondition(headers: IncomingHttpHeaders): Precondition {
  const { 'if-match': match, 'if-none-match': noneMatch } = headers
  const refused = noneMatch === '*' ? null : toVersions(parse('If-None-Match', noneMatch).map(weaken))
  return match === undefined || match === '*'
    ? { allowed: null, refused }
    : { allowed: toVersions(parse('If-Match', match)), refused }
}

/**
 * Whether If-Match (RFC 9110, section 13.1.1) is absent or names this tag, compared strongly.
 * @throws {ApiError} invalid_request (400) when it is not a list of entity tags
 */
export const matchesAny = (header: string | undefined, tag: string): boolean =>
  header === undefined || header === '*' || parse('If-Match', header).includes(tag)

/**
 * Whether If-None-Match (RFC 9110, section 13.1.2) names none of this tag, compared weakly.
 * @throws {ApiError} invalid_request (400) when it is not a list of entity tags
 */
export const matchesNone = (header: string | undefined, tag: string): boolean =>
  header !== '*' && !parse('If-None-Match', header).map(weaken).includes(tag)

const weaken = (tag: string) => tag.replace(/^W\//, '')
const toVersions = (tags: string[]) =>
  tags.flatMap((tag) => (/^"[1-9]\d{0,8}"$/.test(tag) ? [Number(tag.slice(1, -1))] : []))
