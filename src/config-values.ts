import { isIP } from 'node:net'

// The values of configuration variables that a pattern cannot check.

const split = (list: string): string[] =>
  list
    .split(',')
    .map((entry) => entry.trim())
    .filter(Boolean)

export function parseOrigins(list: string): string[] {
  const origins = split(list)
  for (const origin of origins.filter((origin) => origin !== '*'))
    if (!URL.canParse(origin) || new URL(origin).origin !== origin)
      throw new Error(
        'CORS_ORIGINS must be a comma-separated list of origins, like https://app.example.com, or *.',
      )
  return origins
}

/** Header names (RFC 9110, section 5.6.2). Not `*`: browsers disagree on whether it is a wildcard. */
export function parseHeaderNames(list: string): string[] {
  const names = split(list)
  if (names.every((name) => /^[!#$%&'+.^`|~\w-]+$/.test(name))) return names
  throw new Error(
    'CORS_ALLOWED_HEADERS must be a comma-separated list of header names, like traceparent,tracestate.',
  )
}

export function parseProxies(list: string): string[] {
  const entries = split(list)
  for (const entry of entries) {
    const [address = '', prefix] = entry.split('/')
    const bits = isIP(address) === 6 ? 128 : 32
    if (!isIP(address) || (prefix !== undefined && !(/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits)))
      throw new Error('TRUST_PROXY must be a comma-separated list of addresses or CIDR ranges.')
  }
  return entries
}

/**
 * Checks the variables of mail, which depend on each other.
 * @throws {Error} a one-line message that names the variable, never its value
 */
export function checkMail(config: { MAIL_URL: string; MAIL_FROM: string; PUBLIC_URL: string }): void {
  const { MAIL_URL, MAIL_FROM, PUBLIC_URL } = config
  if (PUBLIC_URL && (!URL.canParse(PUBLIC_URL) || /[?#]/.test(PUBLIC_URL)))
    throw new Error('PUBLIC_URL must be an http:// or https:// URL without a query or fragment.')
  if (MAIL_URL === '') return
  try {
    const { username, password } = new URL(MAIL_URL)
    for (const part of [username, password]) decodeURIComponent(part)
  } catch {
    throw new Error(
      'MAIL_URL must be a URL, with special characters in its user and password percent-encoded.',
    )
  }
  // A folder is for trying it out.
  if (MAIL_URL.startsWith('file:')) return
  if (PUBLIC_URL === '') throw new Error('PUBLIC_URL must be set when MAIL_URL is set.')
  if (MAIL_FROM.endsWith('@localhost>')) throw new Error('MAIL_FROM must be set when MAIL_URL is set.')
}
