import { invalidParameter } from './errors.ts'

const LIST = /^(?:\s*(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"\s*(?:,|$))+$/

/** The strong entity tag of a version (RFC 9110, section 8.8.3). */
export const toEntityTag = (version: number): string => `"${version}"`

function parse(name: string, header: string): string[] {
  if (!LIST.test(header)) throw invalidParameter(name, 'format', 'is not a list of entity tags')
  return header.split(',').map((tag) => tag.trim())
}

/**
 * The versions that If-Match allows (RFC 9110, section 13.1.1), compared strongly: a weak tag allows none.
 * @returns null when any will do
 * @throws {ApiError} invalid_request (400) when it is not a list of entity tags
 */
export function allowedVersions(header: string | undefined): number[] | null {
  if (header === undefined || header === '*') return null
  return parse('If-Match', header).flatMap((tag) =>
    /^"[1-9]\d{0,8}"$/.test(tag) ? [Number(tag.slice(1, -1))] : [],
  )
}

/**
 * Whether If-None-Match (RFC 9110, section 13.1.2) names this tag, compared weakly.
 * @throws {ApiError} invalid_request (400) when it is not a list of entity tags
 */
export function matchesNone(header: string | undefined, tag: string): boolean {
  if (header === undefined) return true
  return header !== '*' && !parse('If-None-Match', header).some((given) => given.replace(/^W\//, '') === tag)
}
