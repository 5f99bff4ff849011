import { randomUUID } from 'node:crypto'
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'
import type { Test } from 'tap'
import { type AppOptions, buildApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'
import { checkAnswer } from './check-response.ts'
import { cloneDatabase, type TestDatabase } from './clone-database.ts'

/** What tests change in the configuration: cheap hashes, no limits, no log, and timeouts for a busy machine. */
export const testing = {
  JWT_SECRET: 'only-for-tests-only-for-tests-only-for-tests',
  TOTP_KEY: 'only-for-tests-only-for-tests-only-for-tests',
  BCRYPT_COST: '4',
  LOG_LEVEL: 'silent',
  RATE_LIMIT_REGISTER: '0',
  RATE_LIMIT_LOGIN: '0',
  RATE_LIMIT_LOGIN_ACCOUNT: '0',
  RATE_LIMIT_API: '0',
  STATEMENT_TIMEOUT_MS: '30000',
  IDLE_TIMEOUT_MS: '30000',
  CONNECT_TIMEOUT_MS: '30000',
  POOL_TIMEOUT_MS: '30000',
  TRANSACTION_TIMEOUT_MS: '60000',
  EVENT_LOOP_DELAY_LIMIT_MS: '0',
}

/** The production app on a database, closed at the end. Each of its answers is held against the OpenAPI document. */
export async function createApp(
  t: Test,
  { url }: Pick<TestDatabase, 'url'>,
  env: Record<string, string> = {},
  options: AppOptions = {},
): Promise<FastifyInstance> {
  const app = await buildApp(loadConfig({ ...testing, DATABASE_URL: url, ...env }), options)
  t.teardown(() => app.close())
  const inject = app.inject.bind(app) as (options: InjectOptions | string) => Promise<LightMyRequestResponse>
  const checked = async (options: InjectOptions | string) => {
    const answer = await inject(options)
    const { method = 'GET', url } = typeof options === 'string' ? { url: options } : options
    checkAnswer(method, `${url}`, answer)
    return answer
  }
  return Object.assign(app, { inject: checked as FastifyInstance['inject'] })
}

/** An app on a database of its own. */
export async function setUp(t: Test, env: Record<string, string> = {}, options: AppOptions = {}) {
  const database = await cloneDatabase(t)
  return { database, app: await createApp(t, database, env, options) }
}

export const password = 'correct horse battery'

export type Ask = (
  method: NonNullable<InjectOptions['method']>,
  url: string,
  body?: unknown,
  headers?: Record<string, string>,
) => Promise<LightMyRequestResponse>

/** Sends requests with a bearer token. */
export const askWith =
  (app: FastifyInstance, token: string): Ask =>
  async (method, url, body, headers) =>
    app.inject({
      method,
      url,
      headers: { authorization: `Bearer ${token}`, ...headers },
      ...(body === undefined ? {} : { payload: body as object }),
    })

export interface TestUser {
  id: string
  email: string
  /** The access token, and the refresh token, of the login. */
  token: string
  refreshToken: string
  ask: Ask
}

/** Opens a session with the password that every test user has. */
export async function logIn(app: FastifyInstance, email: string, secret = password) {
  const login = await app.inject({ method: 'POST', url: '/login', payload: { email, password: secret } })
  const { access_token: token, refresh_token: refreshToken } = login.json() as Record<string, string>
  return { token: `${token}`, refreshToken: `${refreshToken}`, ask: askWith(app, `${token}`) }
}

/** Registers a fresh user and logs in. */
export async function signUp(app: FastifyInstance): Promise<TestUser> {
  const email = `${randomUUID()}@example.com`
  const registered = await app.inject({ method: 'POST', url: '/register', payload: { email, password } })
  return { id: registered.json().id, email, ...(await logIn(app, email)) }
}

/** Words that tell a client about the inside of the service. */
const INTERNALS = /postgres|sql|stack|node_modules|constraint|policy/i

/** Checks that an answer is a problem document with this status and code. */
export function problem(t: Test, answer: LightMyRequestResponse, status: number, code: string): void {
  const { statusCode, headers, body } = answer
  const document = headers['content-type']?.toString().startsWith('application/problem+json')
    ? answer.json()
    : body
  const type = new RegExp(`^(/[\\w./-]+)?/problems/${code}$`)
  const expected = { status, code, type, title: String, detail: String, request_id: String }
  t.match(
    { statusCode, document, internals: INTERNALS.exec(body)?.[0] },
    {
      statusCode: status,
      document: expected,
      internals: undefined,
    },
  )
}
