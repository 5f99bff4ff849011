import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { resolveBinary } from 'dbmate'
import postgres from 'postgres'
import { startCluster } from './cluster.ts'
import { lockTimeout } from './lock-timeout.ts'

const run = promisify(execFile)
/** The package, wherever this module was compiled to. */
const root = dirname(createRequire(import.meta.url).resolve('todo-api/package.json'))

export interface Embedded {
  /** Of the role that the API logs in with. */
  databaseUrl: string
  /** Of the owner of the schema, who migrates. */
  migrationUrl: string
  /** Of the superuser, who makes roles and databases. */
  superuserUrl: string
  /** Kept beside the data, so that tokens survive a restart. */
  jwtSecret: string
  /** How to look inside: a shell command with no secret in it. */
  psql: string
  stop(): Promise<void>
}

type Secrets = Record<'superuser' | 'owner' | 'login' | 'jwt', string>

/**
 * Starts the embedded PostgreSQL, makes its roles and database, and applies the migrations.
 * @param dataDir folder of the data and of the secrets that are made for it; made when missing
 * @param flags settings for the server, as `name=value`
 * @throws {Error} of one sentence when another process holds the folder or the server does not come up
 */
export async function startEmbedded(dataDir: string, flags: string[] = []): Promise<Embedded> {
  const folder = resolve(dataDir)
  mkdirSync(folder, { recursive: true })
  const release = hold(folder)
  try {
    const secrets = loadSecrets(folder)
    const cluster = await startCluster(join(folder, 'postgres'), secrets.superuser, { flags })
    const stop = () => cluster.stop().finally(release)
    const url = (role: string, password: string, database: string) =>
      `postgres://${role}:${password}@127.0.0.1:${cluster.port}/${database}?sslmode=disable`
    const embedded = {
      databaseUrl: url('todo_login', secrets.login, 'todo'),
      migrationUrl: url('todo_owner', secrets.owner, 'todo'),
      superuserUrl: url('postgres', secrets.superuser, 'postgres'),
      jwtSecret: secrets.jwt,
      psql: `PGSERVICEFILE=${join(dataDir, 'pg_service.conf')} psql service=todo`,
      stop,
    }
    try {
      await provision(embedded)
    } catch (error) {
      await stop()
      throw error
    }
    keep(
      folder,
      'env',
      `DATABASE_URL=${embedded.databaseUrl}\nMIGRATION_DATABASE_URL=${embedded.migrationUrl}\n`,
    )
    const service = (name: string, role: string, password: string) =>
      `[${name}]\nhost=127.0.0.1\nport=${cluster.port}\ndbname=todo\nuser=${role}\npassword=${password}\n`
    keep(
      folder,
      'pg_service.conf',
      service('todo', 'todo_login', secrets.login) + service('todo_owner', 'todo_owner', secrets.owner),
    )
    return embedded
  } catch (error) {
    release()
    throw error
  }
}

/**
 * Makes the database, its owner and the role that the API logs in with (none of them a superuser), each
 * if it is missing, and migrates.
 */
export async function provision(
  urls: Pick<Embedded, 'superuserUrl' | 'migrationUrl' | 'databaseUrl'>,
): Promise<void> {
  const sql = postgres(urls.superuserUrl, { max: 1, onnotice: () => {} })
  const makeRole = async (url: string, attributes: string) => {
    const { username, password } = new URL(url)
    const [made] = await sql`select from pg_roles where rolname = ${username}`
    // A password cannot be a parameter here; these are base64url, so there is nothing to quote.
    if (!made) await sql.unsafe(`create role ${username} login ${attributes} password '${password}'`)
    return username
  }
  try {
    const owner = await makeRole(urls.migrationUrl, 'createrole')
    const login = await makeRole(urls.databaseUrl, '')
    const database = new URL(urls.migrationUrl).pathname.slice(1)
    const [made] = await sql`select from pg_database where datname = ${database}`
    if (!made) await sql`create database ${sql(database)} owner ${sql(owner)}`
    await migrate(urls.migrationUrl)
    await sql`grant todo_api to ${sql(login)}`
    await forbidCreation(Object.assign(new URL(urls.superuserUrl), { pathname: `/${database}` }).href)
  } finally {
    await sql.end()
  }
}

/** Takes from PUBLIC what PostgreSQL grants it by default: to create temporary tables and large objects. */
async function forbidCreation(url: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    await sql`revoke temporary on database ${sql(new URL(url).pathname.slice(1))} from public`
    await sql`
      revoke execute on function lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) from public`
  } finally {
    await sql.end()
  }
}

/** Applies the migrations that are not applied yet, with dbmate. */
export async function migrate(url: string): Promise<void> {
  const options = ['--migrations-dir', join(root, 'db/migrations'), '--no-dump-schema']
  // Not as an argument, which others could see in the process list.
  await run(resolveBinary(), [...options, 'migrate'], {
    env: { ...lockTimeout, ...process.env, DATABASE_URL: url },
  })
}

/** Makes this process the holder of the folder, and returns how to let go of it. */
function hold(folder: string): () => void {
  const file = join(folder, 'holder.pid')
  const holder = existsSync(file) ? Number(readFileSync(file, 'utf8')) : undefined
  if (holder && holder !== process.pid && isRunning(holder))
    throw new Error(
      `The data folder ${folder} is in use by process ${holder}: stop that one, or set DATA_DIR to another folder.`,
    )
  rmSync(file, { force: true })
  writeFileSync(file, `${process.pid}\n`, { flag: 'wx' })
  return () => rmSync(file, { force: true })
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function loadSecrets(folder: string): Secrets {
  const file = join(folder, 'secrets.json')
  if (!existsSync(file)) {
    const secret = () => randomBytes(32).toString('base64url')
    keep(
      folder,
      'secrets.json',
      JSON.stringify({ superuser: secret(), owner: secret(), login: secret(), jwt: secret() }),
    )
  }
  return JSON.parse(readFileSync(file, 'utf8'))
}

/** Writes a file that nobody else may read. */
function keep(folder: string, name: string, text: string): void {
  writeFileSync(join(folder, name), text, { mode: 0o600 })
}
