import type { IncomingMessage } from 'node:http'

/** No request can have these paths, because a space ends the request target. */
export const INVALID_TARGET = '/ invalid'
/** The server as a whole, in `OPTIONS *`: there is nothing to tell of it. */
export const SERVER_TARGET = '/ server'

const ABSOLUTE = /^https?:\/\/[^/?@]+/i
/** Text beyond printable ASCII, and a fragment, must be percent-encoded (RFC 3986, section 2). */
const FORBIDDEN = /[^!-~]|#/

/**
 * The path and query of a request target (RFC 9112, section 3.2). A target that cannot be routed becomes one of the
 * two constants, so that its response passes through the same hooks as any other.
 */
export function normalizeTarget({ method, url = '' }: Pick<IncomingMessage, 'method' | 'url'>): string {
  if (method === 'OPTIONS' && url === '*') return SERVER_TARGET
  const relative = url.startsWith('/') ? url : url.replace(ABSOLUTE, '').replace(/^(?=\?|$)/, '/')
  const isValid = relative.startsWith('/') && (url.startsWith('/') || ABSOLUTE.test(url))
  return isValid && !FORBIDDEN.test(relative) && isDecodable(relative) ? relative : INVALID_TARGET
}

/** Otherwise a parameter would be read as other text than was meant. */
function isDecodable(url: string): boolean {
  try {
    return !url.includes('%') || decodeURIComponent(url) !== ''
  } catch {
    return false
  }
}
