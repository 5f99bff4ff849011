import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { isIP } from 'node:net'
import { dirname } from 'node:path'
import { type Static, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { checkMail, parseHeaderNames, parseOrigins, parseProxies } from './config-values.ts'

const packageFile = createRequire(import.meta.url).resolve('todo-api/package.json')
/** The folder of package.json. Compiled modules are one level deeper, in dist/. */
export const packageRoot = dirname(packageFile)
/** Version and description, which are kept in package.json alone. */
export const packageInfo: { version: string; description: string } = JSON.parse(
  readFileSync(packageFile, 'utf8'),
)

const count = (fallback: number, minimum = 0, maximum = 1_000_000) =>
  Type.Integer({ default: fallback, minimum, maximum })
const milliseconds = (fallback: number) => count(fallback, 1, 600_000)

const Environment = Type.Object({
  NODE_ENV: Type.String({ default: 'development' }),
  PORT: count(8000, 0, 65535),
  HOST: Type.String({ default: '0.0.0.0', minLength: 1 }),
  DATABASE_URL: Type.String({ pattern: '^postgres(ql)?://' }),
  DATABASE_POOL_SIZE: count(10, 1, 1000),
  DATABASE_CONNECTION_MAX_AGE_MS: count(600_000, 0, 86_400_000),
  DATABASE_PREPARE: Type.Boolean({ default: true }),
  DATABASE_SHARDED: Type.Boolean({ default: false }),
  JWT_SECRET: Type.String(),
  JWT_SECRET_PREVIOUS: Type.String({ default: '' }),
  JWT_ISSUER: Type.String({ default: 'todo-api', minLength: 1 }),
  JWT_AUDIENCE: Type.String({ default: 'todo-api', minLength: 1 }),
  ACCESS_TOKEN_TTL: count(900, 1, 86_400),
  REFRESH_TOKEN_TTL: count(2_592_000, 60, 31_536_000),
  SESSION_MAX_AGE: count(7_776_000, 60, 315_360_000),
  TOTP_KEY: Type.String({ default: '' }),
  TOTP_KEY_PREVIOUS: Type.String({ default: '' }),
  BCRYPT_COST: count(12, 4, 16),
  MAX_TODOS: count(100_000, 1),
  TRASH_DAYS: count(30, 1, 3650),
  RATE_LIMIT_REGISTER: count(5),
  RATE_LIMIT_LOGIN: count(10),
  RATE_LIMIT_LOGIN_ACCOUNT: count(5),
  RATE_LIMIT_API: count(1000),
  REDIS_URL: Type.String({ default: '', pattern: '^(rediss?://.*)?$' }),
  TRUST_PROXY: Type.String({ default: '' }),
  // Plain segments: no encoding, no `.` or `..`, no slash at the end.
  BASE_PATH: Type.String({ default: '', pattern: '^(/(?!\\.{1,2}(/|$))[A-Za-z0-9._~-]+)*$' }),
  CORS_ORIGINS: Type.String({ default: '' }),
  CORS_ALLOWED_HEADERS: Type.String({ default: '' }),
  MAIL_URL: Type.String({ default: '', pattern: '^(smtps?://[^/]|file:///).*$|^$' }),
  MAIL_FROM: Type.String({
    default: 'TODO API <todo@localhost>',
    pattern: '^([^\\u0000-\\u001f<>]*<[^\\s<>@]+@[^\\s<>@]+>|[^\\s<>@]+@[^\\s<>@]+)?$',
  }),
  PUBLIC_URL: Type.String({ default: '', pattern: '^(https?://[!-~]*[^/])?$' }),
  HIDE_REGISTRATION: Type.Boolean({ default: false }),
  REQUIRE_VERIFIED_EMAIL: Type.Boolean({ default: false }),
  SECURITY_CONTACT: Type.String({ default: '', pattern: '^((mailto:|https://)[!-~]+)?$' }),
  ADMIN_PORT: count(0, 0, 65535),
  ADMIN_HOST: Type.String({ default: '127.0.0.1', minLength: 1 }),
  ADMIN_TOKEN: Type.String({ default: '', pattern: '^([!-~]{32,})?$' }),
  EVENT_LOOP_DELAY_LIMIT_MS: count(250, 0, 600_000),
  LOG_LEVEL: Type.Union(
    ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'].map((level) => Type.Literal(level)),
    { default: 'info' },
  ),
  STATEMENT_TIMEOUT_MS: milliseconds(1400),
  BULK_TIMEOUT_MS: milliseconds(10_000),
  LOCK_TIMEOUT_MS: milliseconds(1200),
  IDLE_TIMEOUT_MS: milliseconds(1400),
  CONNECT_TIMEOUT_MS: milliseconds(1500),
  POOL_TIMEOUT_MS: milliseconds(400),
  POOL_QUEUE_LIMIT: count(1000),
  TRANSACTION_TIMEOUT_MS: milliseconds(1500),
  HEADERS_TIMEOUT_MS: milliseconds(5000),
  REQUEST_TIMEOUT_MS: milliseconds(8000),
  ANSWER_TIMEOUT_MS: milliseconds(60_000),
  STALL_TIMEOUT_MS: milliseconds(30_000),
  KEEP_ALIVE_TIMEOUT_MS: milliseconds(72_000),
  MAX_CONNECTIONS: count(12_000, 1),
  SHUTDOWN_DELAY_MS: count(1000, 0, 600_000),
  SHUTDOWN_GRACE_MS: count(10_000, 0, 600_000),
})

type Lists = 'TRUST_PROXY' | 'CORS_ORIGINS' | 'CORS_ALLOWED_HEADERS'
export type Config = Readonly<Omit<Static<typeof Environment>, Lists> & Record<Lists, readonly string[]>>

const needs: Partial<Record<keyof Config, string>> = {
  DATABASE_URL:
    'must be set to a postgres:// URL of the role that the API logs in with, with special characters in its password percent-encoded',
  JWT_SECRET: 'must be set to at least 32 bytes of secret',
  DATABASE_PREPARE: 'must be true or false',
  DATABASE_SHARDED: 'must be true or false',
  BASE_PATH: 'must be a path like /api, without a slash at its end, or not set',
  REDIS_URL: 'must be a redis:// or rediss:// URL, or not set',
  HIDE_REGISTRATION: 'must be true or false',
  REQUIRE_VERIFIED_EMAIL: 'must be true or false',
  MAIL_URL: 'must be an smtps:// or smtp:// URL, with special characters percent-encoded, or not set',
  MAIL_FROM: 'must be an email address, with or without a name before it in the form NAME <ADDRESS>',
  PUBLIC_URL: 'must be an http:// or https:// URL without a slash at its end',
  SECURITY_CONTACT: 'must be a mailto: or https:// URL, or not set',
  ADMIN_TOKEN: 'must be at least 32 printable ASCII characters without spaces, or not set',
  LOG_LEVEL: 'must be one of fatal, error, warn, info, debug, trace, silent',
}

/** Whether only this machine can connect to a host. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))

/** Whether the database drivers can parse the URL; a bare `%` in one of its parts makes them fail. */
export function isDatabaseUrl(text: string): boolean {
  try {
    const { protocol, username, password, hostname, pathname } = new URL(text)
    for (const part of [username, password, hostname, pathname]) decodeURIComponent(part)
    return /^postgres(ql)?:$/.test(protocol)
  } catch {
    return false
  }
}

/**
 * Reads the API's configuration from environment variables.
 * @param env variables by name; an empty one counts as not set
 * @returns the frozen configuration; .env.example documents each variable and its unit
 * @throws {Error} a one-line message that names the first missing or invalid variable, never its value
 */
export function loadConfig(env: Record<string, string | undefined>): Config {
  const given = Object.fromEntries(
    Object.entries(env).filter(([name, value]) => value && name in Environment.properties),
  )
  const values = Value.Convert(Environment, Value.Default(Environment, given))
  for (const { path, schema } of Value.Errors(Environment, values)) {
    const name = path.slice(1) as keyof Config
    const range = `must be a whole number from ${schema.minimum} to ${schema.maximum}`
    throw new Error(`${name} ${needs[name] ?? range}.`)
  }
  const config = Value.Decode(Environment, values)
  if (!isDatabaseUrl(config.DATABASE_URL)) throw new Error(`DATABASE_URL ${needs.DATABASE_URL}.`)
  if (Buffer.byteLength(config.JWT_SECRET) < 32) throw new Error(`JWT_SECRET ${needs.JWT_SECRET}.`)
  for (const name of ['JWT_SECRET_PREVIOUS', 'TOTP_KEY', 'TOTP_KEY_PREVIOUS'] as const) {
    const bytes = Buffer.byteLength(config[name])
    if (bytes > 0 && bytes < 32) throw new Error(`${name} must be at least 32 bytes, or not set.`)
  }
  if (config.NODE_ENV === 'production' && config.BCRYPT_COST < 10)
    throw new Error('BCRYPT_COST must be at least 10 when NODE_ENV is production.')
  if (config.ADMIN_PORT > 0 && !config.ADMIN_TOKEN && !isLoopback(config.ADMIN_HOST))
    throw new Error('ADMIN_TOKEN must be set when ADMIN_HOST is not a loopback address.')
  checkMail(config)
  const TRUST_PROXY = parseProxies(config.TRUST_PROXY)
  const CORS_ORIGINS = parseOrigins(config.CORS_ORIGINS)
  const CORS_ALLOWED_HEADERS = parseHeaderNames(config.CORS_ALLOWED_HEADERS)
  return Object.freeze({ ...config, TRUST_PROXY, CORS_ORIGINS, CORS_ALLOWED_HEADERS })
}
