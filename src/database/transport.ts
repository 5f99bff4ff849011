import type { ConnectionOptions } from 'node:tls'
import { Client } from 'pg'
import { isLoopback } from '../config.ts'

/**
 * Finds out whether rows and credentials cross a network without TLS, or with TLS to a server that is not verified.
 * @returns a sentence for the operator; undefined when the connection is safe or does not leave this machine
 */
export function findTransportFault(databaseUrl: string): string | undefined {
  const client = new Client({ connectionString: databaseUrl })
  const { host } = client
  // Its type does not have the options.
  const ssl = client.ssl as ConnectionOptions | boolean
  const isLocal = host.startsWith('/') || isLoopback(host.replaceAll(/[[\]]/g, ''))
  const isVerified = ssl === true || (typeof ssl === 'object' && ssl.rejectUnauthorized !== false)
  if (isLocal || isVerified) return undefined
  const fault = ssl ? 'does not verify the certificate of the server' : 'is not encrypted'
  return `The connection to the database server ${host} ${fault}: add sslmode=verify-full to DATABASE_URL.`
}
