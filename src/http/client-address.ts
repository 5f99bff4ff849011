import { BlockList, isIP, SocketAddress } from 'node:net'
import { normalizeIP } from '@fastify/rate-limit'
import type { FastifyRequest } from 'fastify'

/** `[2001:db8::1]`, `[2001:db8::1]:4711` or `192.0.2.1:4711` (RFC 7239, section 6); a zone stays in the first group. */
const WITH_PORT = /^\[([^[\]]+)\](?::[\w.-]+)?$|^([\d.]+):[\w.-]+$/

/**
 * Parses an IP address as proxies and sockets write it: with a port, brackets, a zone, or IPv4 mapped into IPv6.
 * @returns the address in canonical form; null when there is none, as for `unknown`, a host name or a Unix socket
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

/** Creates a function for Fastify's `trustProxy`, which accepts every notation of an address. */
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

/** The client's address as forwarded by trusted proxies; null when they do not name one. */
export const clientAddress = (request: FastifyRequest): string | null => parseAddress(request.ip)

/**
 * The key that rate limits count by: the IPv4 address, or the /64 network of an IPv6 address, which one customer has.
 * Clients without an address share the count of the proxy that sent them, so that hiding an address neither avoids the
 * limit nor uses up that of clients behind another proxy.
 */
export function clientKey(request: FastifyRequest): string {
  const address = clientAddress(request) ?? parseAddress(request.socket.remoteAddress)
  return address === null ? 'unknown' : normalizeIP(address, 64)
}
