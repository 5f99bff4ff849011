import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { type Embedded, startEmbedded } from '../../db/embedded.ts'

export const password = 'correct horse battery'
const PROGRAM = ['--import', 'ts-blank-space/register', 'test/bench/variant.ts']

export interface Database extends Pick<Embedded, 'databaseUrl'> {
  /** Of the owner, whom row-level security does not bind here. */
  ownerUrl: string
  admin: postgres.Sql
}
/** How the API's processes run: limits off, logs on and thrown away. */
const environment = ({ databaseUrl, ownerUrl }: Database) => ({
  ...process.env,
  DATABASE_URL: databaseUrl,
  OWNER_URL: ownerUrl,
  JWT_SECRET: 'only-for-the-benchmark-only-for-the-benchmark',
  HOST: '127.0.0.1',
  PORT: '0',
  BCRYPT_COST: '10',
  RATE_LIMIT_REGISTER: '0',
  RATE_LIMIT_LOGIN: '0',
  RATE_LIMIT_LOGIN_ACCOUNT: '0',
  RATE_LIMIT_API: '0',
})

/** Runs work on an embedded PostgreSQL of its own. */
export async function withDatabase<T>(work: (database: Database) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'todo-api-bench-'))
  const embedded = await startEmbedded(folder, [
    'shared_buffers=512MB',
    'maintenance_work_mem=256MB',
    'max_wal_size=4GB',
    'max_connections=200',
  ])
  const url = Object.assign(new URL(embedded.superuserUrl), { pathname: '/todo' }).href
  const admin = postgres(url, { max: 1, onnotice: () => {} })
  try {
    await admin`alter table todos no force row level security`
    return await work({ databaseUrl: embedded.databaseUrl, ownerUrl: embedded.migrationUrl, admin })
  } finally {
    await admin.end()
    await embedded.stop()
    rmSync(folder, { recursive: true })
  }
}

export interface Api {
  url: string
  /** Sends JSON and answers the status, and the milliseconds until the whole answer was there. */
  time(method: string, path: string, body?: object, token?: string): Promise<{ status: number; ms: number }>
  /** Sends JSON and answers JSON. */
  ask(method: string, path: string, body?: object, token?: string): Promise<Record<string, string>>
  /** Registers a user, and logs in: the token. */
  signUp(email: string): Promise<string>
  stop(): Promise<void>
}

/** Starts the production build; see variant.ts for the modes. */
export async function startApi(
  database: Database,
  mode: 'api' | 'bare' | 'memory' = 'api',
  env: Record<string, string> = {},
): Promise<Api> {
  const child = spawn(process.execPath, [...PROGRAM, mode], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: { ...environment(database), ...env },
  })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const url = await new Promise<string>((resolve, reject) => {
    child.once('message', (address) => resolve(`${address}`))
    child.once('exit', () => reject(new Error('The API did not start.')))
  })
  const send = (method: string, path: string, body?: object, token?: string) =>
    fetch(url + path, {
      method,
      headers: {
        ...(body && { 'content-type': 'application/json' }),
        ...(token && { authorization: `Bearer ${token}` }),
      },
      ...(body && { body: JSON.stringify(body) }),
    })
  const ask: Api['ask'] = async (...request) =>
    (await (await send(...request)).json()) as Record<string, string>
  return {
    url,
    async time(...request) {
      const start = performance.now()
      const answer = await send(...request)
      await answer.arrayBuffer()
      return { status: answer.status, ms: performance.now() - start }
    },
    ask,
    async signUp(email) {
      await ask('POST', '/register', { email, password })
      return `${(await ask('POST', '/login', { email, password })).access_token}`
    },
    async stop() {
      child.kill('SIGTERM')
      await ended
    },
  }
}
