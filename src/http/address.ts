import { isIP } from 'node:net'

/**
 * The bare IP address in what a proxy wrote about its client: some add a port, brackets or a zone.
 * @param fallback what to return when there is no address in it
 */
export function toAddress(text: string, fallback: string): string {
  const [, bracketed, v4] = /^(?:\[([^\]]*)\](?::\d+)?|([\d.]+):\d+)$/.exec(text) ?? []
  const address = (bracketed ?? v4 ?? text).replace(/%.*$/s, '')
  return isIP(address) > 0 ? address : fallback
}
