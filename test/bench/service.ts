import { spawn } from 'node:child_process'
import { once } from 'node:events'
import postgres from 'postgres'
import type { Embedded } from '../../db/embedded/start.ts'
import { startTemporary } from '../support/temporary-postgres.ts'

export const password = 'correct horse battery'
/** With the memory of `npm start`. */
const PROGRAM = ['--max-semi-space-size=4', '--import', 'ts-blank-space/register', 'test/bench/variant.ts']

export interface Database extends Pick<Embedded, 'databaseUrl'> {
  /** Of the owner of the tables. */
  ownerUrl: string
  /** Of the superuser, whom no policy binds. */
  admin: postgres.Sql
  /** A copy, made while nobody uses the original. */
  clone(name: string): Promise<Database>
}

/** How the API's processes run: limits off, logs on and thrown away. */
export const environment = ({ databaseUrl, ownerUrl }: Pick<Database, 'databaseUrl' | 'ownerUrl'>) => ({
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
  // What is measured is the work, not the shedding of it.
  POOL_TIMEOUT_MS: '10000',
  EVENT_LOOP_DELAY_LIMIT_MS: '0',
})

/** Runs work on an embedded PostgreSQL of its own. */
export async function withDatabase<T>(work: (database: Database) => Promise<T>): Promise<T> {
  const embedded = await startTemporary([
    'shared_buffers=512MB',
    'maintenance_work_mem=256MB',
    'max_wal_size=4GB',
    'max_connections=200',
  ])
  const within = (url: string, name: string) => Object.assign(new URL(url), { pathname: `/${name}` }).href
  const opened: postgres.Sql[] = []
  const open = (name: string): Database => {
    const admin = postgres(within(embedded.superuserUrl, name), { max: 1, onnotice: () => {} })
    opened.push(admin)
    return {
      databaseUrl: within(embedded.databaseUrl, name),
      ownerUrl: within(embedded.migrationUrl, name),
      admin,
      async clone(copy) {
        const server = open('postgres').admin
        await server`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`
        await server`create database ${server(copy)} template ${server(name)}`
        return open(copy)
      },
    }
  }
  try {
    return await work(open('todo'))
  } finally {
    await Promise.all(opened.map((sql) => sql.end({ timeout: 1 })))
    await embedded.stop()
  }
}

export interface Api {
  url: string
  /** Of its process. */
  pid: number
  /** Sends JSON and answers the status, and the milliseconds until the whole answer was there. */
  time(method: string, path: string, body?: object, token?: string): Promise<{ status: number; ms: number }>
  /** Sends JSON and answers JSON. */
  ask(method: string, path: string, body?: object, token?: string): Promise<Record<string, string>>
  /** Registers a user, and logs in: the token. */
  signUp(email: string): Promise<string>
  /** The longest time, in milliseconds, that the event loop has stood still since this was asked before. */
  stall(): Promise<number>
  stop(): Promise<void>
}

/** Starts the production build; see variant.ts for the modes. */
export async function startApi(
  database: Pick<Database, 'databaseUrl' | 'ownerUrl'>,
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
    pid: child.pid as number,
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
    async stall() {
      child.send('stall')
      const [answer] = (await once(child, 'message')) as [{ stall: number }]
      return answer.stall
    },
    async stop() {
      child.kill('SIGTERM')
      await ended
    },
  }
}
