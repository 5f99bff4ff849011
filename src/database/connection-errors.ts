import { READ_ONLY_SERVER } from './server-state.ts'

const certificates: Record<string, string> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'is self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'is signed by an unknown authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'is signed by an unknown authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'is signed by an unknown authority',
  ERR_TLS_CERT_ALTNAME_INVALID: 'is for another host name',
  CERT_HAS_EXPIRED: 'has expired',
}

interface Address {
  /** The variable that the URL is in. */
  name: string
  host: string
  user: string
  database: string
}
type Explain = (address: Address) => string

const unreachable: Explain = ({ name, host }) =>
  `The database server ${host} cannot be reached: check the host and port in ${name}, and the network.`
const busy: Explain = ({ host }) =>
  `The database server ${host} is starting, stopping or out of connections: try again in a moment.`

/** By Node's error code or PostgreSQL's SQLSTATE (manual, appendix A). */
const causes: Record<string, Explain> = {
  ECONNREFUSED: ({ name, host }) =>
    `Nothing is listening on ${host}: start PostgreSQL there, or correct the host and port in ${name}.`,
  ENOTFOUND: ({ name, host }) => `The host name of ${host} does not exist: correct it in ${name}.`,
  EAI_AGAIN: ({ name, host }) =>
    `The host name of ${host} cannot be resolved at the moment: check it in ${name}, and check DNS.`,
  ENOENT: ({ name }) => `The socket or certificate file in ${name} does not exist: correct the path.`,
  ETIMEDOUT: unreachable,
  EHOSTUNREACH: unreachable,
  ENETUNREACH: unreachable,
  CONNECT_TIMEOUT: unreachable,
  ECONNRESET: ({ name, host }) =>
    `The server ${host} closed the connection: check that ${name} points to a PostgreSQL server, and its sslmode.`,
  CONNECTION_CLOSED: (address) => String(causes.ECONNRESET?.(address)),
  [READ_ONLY_SERVER]: ({ name, host }) =>
    `The database server ${host} is a standby or otherwise read-only: point ${name} to the primary.`,
  '28P01': ({ name, user }) =>
    `The password of the user ${user} is wrong, or there is no such user: correct ${name}.`,
  '28000': ({ name, user, database }) =>
    `The server does not allow the user ${user} to connect to ${database} from here: check pg_hba.conf, the role's LOGIN attribute, and whether ${name} needs sslmode=require.`,
  '3D000': ({ name, database }) => `The database ${database} does not exist: create it, or correct ${name}.`,
  '42501': ({ user, database }) =>
    `The user ${user} lacks the CONNECT privilege on the database ${database}: grant it.`,
  '53300': busy,
  '57P03': busy,
}

/** Errors that pg and postgres.js throw without a code. */
const messages: [RegExp, Explain][] = [
  [
    /does not support SSL/,
    ({ name, host }) =>
      `The database server ${host} does not support TLS, which ${name} requires: enable it there, or set sslmode=disable in ${name} on a trusted network.`,
  ],
  [
    /password must be a string|No password|SASL_SIGNATURE_MISMATCH/i,
    ({ name, user }) =>
      `The server requires a password for the user ${user}: add it to ${name}, or set PGPASSWORD.`,
  ],
  [/timeout|timed out/i, unreachable],
  [/terminated unexpectedly/, (address) => String(causes.ECONNRESET?.(address))],
]

/**
 * Explains why a connection failed and what to do about it, in one sentence without the password.
 * @param error from pg, postgres.js or Node, or an error with such a cause
 * @param name the variable that holds the URL
 */
export function explainConnectionError(error: unknown, url: string, name: string): string {
  const address = readAddress(url, name)
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const code = `${(cause as NodeJS.ErrnoException).code}`
    const certificate = certificates[code]
    if (certificate)
      return `The TLS certificate of the database server ${address.host} ${certificate}: add sslrootcert=FILE to ${name} with the certificate of its authority, or replace the certificate.`
    const explain = causes[code] ?? messages.find(([pattern]) => pattern.test((cause as Error).message))?.[1]
    if (explain) return explain(address)
  }
  return `The database at ${address.host} cannot be used: ${describeCause(error)}`
}

/** The code and message of an error's innermost cause, for one line of the log. */
export function describeCause(error: unknown): string {
  let cause = error
  while (cause instanceof Error && cause.cause instanceof Error) cause = cause.cause
  const { code, message = '' } = cause as NodeJS.ErrnoException
  const parts = [message.includes(`${code}`) ? '' : code, message]
  return parts.filter(Boolean).join(' ') || String(cause)
}

function readAddress(url: string, name: string): Address {
  const { hostname, port, username, pathname, searchParams } = new URL(url)
  const user = decodeURIComponent(username)
  return {
    name,
    host: `${searchParams.get('host') || decodeURIComponent(hostname) || 'localhost'}:${port || 5432}`,
    user,
    database: decodeURIComponent(pathname.slice(1)) || user,
  }
}
