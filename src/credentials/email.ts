import { domainToASCII } from 'node:url'
import { foldCase } from '../http/text.ts'

// RFC 5321, section 4.1.2, extended by RFC 6531. No quoted local parts, spaces, control or invisible characters.
const ATOM = String.raw`(?:[\w!#$%&'*+/=?^\x60{|}~\-]|(?![\0-\x7F])[\p{L}\p{M}\p{N}\p{P}\p{S}])+`
const LOCAL = new RegExp(String.raw`^${ATOM}(?:\.${ATOM})*$`, 'u')
const DOMAIN = /^[\p{L}\p{M}\p{N}.-]+$/u
const ASCII_DOMAIN = /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/
/** Longer texts are rejected by maxLength. */
const MAX_UNITS = 1000

const split = (email: string) => {
  const at = email.lastIndexOf('@')
  return { local: email.slice(0, at), domain: email.slice(at + 1) }
}

/** The domain in lower case and as A-labels (RFC 5890); empty when it is invalid. */
function toAsciiDomain(domain: string): string {
  if (/^[\0-\x7F]*$/.test(domain)) return domain.toLowerCase()
  if (!DOMAIN.test(domain)) return ''
  return domainToASCII(domain)
}

/** Checks the schema format `idn-email`. */
export function isEmail(text: string): boolean {
  const { local, domain } = split(text)
  return text.length > MAX_UNITS || (LOCAL.test(local) && ASCII_DOMAIN.test(toAsciiDomain(domain)))
}

/**
 * Returns the form in which emails are compared: the local part without differences of case and composition, the domain
 * as in DNS. For an ASCII email this is its lower case.
 */
export function foldEmail(email: string): string {
  const { local, domain } = split(email)
  return `${foldCase(local)}@${toAsciiDomain(domain)}`
}
