import { BlockList, isIP, SocketAddress } from 'node:net'
import { normalizeIP } from '@fastify/rate-limit'
import type { FastifyRequest } from 'fastify'

/** `[2001:db8::1]`, `[2001:db8::1]:4711` or `192.0.2.1:4711` (RFC 7239, section 6); a zone stays in the first group. */
const WITH_PORT = /^\[([^[\]]+)\](?::[\w.-]+)?$|^([\d.]+):[\w.-]+$/

/**
 * The IP address in a text as proxies and sockets write it: with a port, brackets, a zone, or an IPv4 address mapped
 * into IPv6. Equal addresses give equal texts.
 * @returns null when there is none, as for `unknown`, a host name, or the peer of a Unix socket
 */
export function parseAddress(text: string | undefined): string | null {
  if (text === undefined) return null
  const trimmed = text.trim().replace(/^"(.*)"$/, '$1')
  const [, bracketed, dotted] = WITH_PORT.exec(trimmed) ?? []
  const address = (bracketed ?? dotted ?? trimmed).replace(/%.*$/, '')
  const version = isIP(address)
  if (version === 0) return null
  if (version === 4) return address
  // RFC 5952.
  const canonical = new SocketAddress({ address, family: 'ipv6' }).address
  const [, mapped = canonical] = /^::ffff:([\d.]+)$/.exec(canonical) ?? []
  return mapped
}

/** For Fastify's `trustProxy`: whether an address is one of these proxies, however it is written. */
export function trustProxies(proxies: readonly string[]): (address: string | undefined) => boolean {
  const trusted = new BlockList()
  for (const proxy of proxies) {
    const [written = '', prefix] = proxy.split('/')
    const network = written.replace(/%.*$/, '')
    const version = isIP(network)
    trusted.addSubnet(network, Number(prefix ?? (version === 4 ? 32 : 128)), `ipv${version as 4 | 6}`)
  }
  return (text) => {
    const address = parseAddress(text)
    return address !== null && trusted.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6')
  }
}

/** The address of the client, as far as trusted proxies forward it; null when they do not name one. */
export const clientAddress = (request: FastifyRequest): string | null => parseAddress(request.ip)

/**
 * What a client is counted by: its IPv4 address, or its IPv6 network of 64 bits, which is what one customer gets.
 * Clients without an address share the count of the peer that sent them: an address that is hidden or cannot be read
 * must not be a way around the limit, and must not use up the limit of clients behind another proxy.
 */
export function clientKey(request: FastifyRequest): string {
  const address = clientAddress(request) ?? parseAddress(request.socket.remoteAddress)
  return address === null ? 'unknown' : normalizeIP(address, 64)
}
