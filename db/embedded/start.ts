import { mkdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { resolveBinary } from 'dbmate'
import postgres from 'postgres'
import { packageRoot } from '../../src/config.ts'
import { lockTimeout } from '../child-environment.ts'
import { startCluster } from './cluster.ts'
import { explainFileError, inheritOwner, removeUnfinished, writeSecretFile } from './files.ts'
import { lockFolder } from './lock.ts'
import { runProgram } from './program.ts'
import { loadSecrets } from './secrets.ts'

export interface Embedded {
  /** The URL for the API's login role. */
  databaseUrl: string
  /** The URL for the schema owner, which runs the migrations. */
  migrationUrl: string
  /** The URL for the superuser, which creates roles and databases. */
  superuserUrl: string
  /** Stored with the data, so that tokens survive a restart. */
  jwtSecret: string
  /** A shell command that opens psql, without a secret in it. */
  psql: string
  stop(): Promise<void>
}

/**
 * Starts the embedded PostgreSQL, creates its roles and database, and applies the migrations.
 * @param dataDir folder for the data and its secrets; created if missing
 * @param flags server settings, as `name=value`
 * @throws {Error} a one-line message when another process uses the folder or the server does not start
 */
export async function startEmbedded(dataDir: string, flags: string[] = []): Promise<Embedded> {
  const folder = resolve(dataDir)
  let release = () => {}
  try {
    if (mkdirSync(folder, { recursive: true })) inheritOwner(folder)
    release = lockFolder(folder)
    removeUnfinished(folder)
    // Left by version 1.0.
    rmSync(join(folder, 'holder.pid'), { force: true })
    return await startLocked(folder, dataDir, flags, release)
  } catch (error) {
    release()
    throw explainFileError(error, folder)
  }
}

async function startLocked(
  folder: string,
  dataDir: string,
  flags: string[],
  release: () => void,
): Promise<Embedded> {
  const secrets = loadSecrets(folder)
  const cluster = await startCluster(join(folder, 'postgres'), secrets.superuser, { flags })
  try {
    const url = (role: string, password: string, database: string) =>
      `postgres://${role}:${password}@127.0.0.1:${cluster.port}/${database}?sslmode=disable`
    const embedded = {
      databaseUrl: url('todo_login', secrets.login, 'todo'),
      migrationUrl: url('todo_owner', secrets.owner, 'todo'),
      superuserUrl: url('postgres', secrets.superuser, 'postgres'),
      jwtSecret: secrets.jwt,
      psql: `PGSERVICEFILE=${join(dataDir, 'pg_service.conf')} psql service=todo`,
      stop: () => cluster.stop().finally(release),
    }
    await provision(embedded)
    writeSecretFile(
      join(folder, 'env'),
      `DATABASE_URL=${embedded.databaseUrl}\nMIGRATION_DATABASE_URL=${embedded.migrationUrl}\n`,
    )
    const service = (name: string, role: string, password: string) =>
      `[${name}]\nhost=127.0.0.1\nport=${cluster.port}\ndbname=todo\nuser=${role}\npassword=${password}\n`
    writeSecretFile(
      join(folder, 'pg_service.conf'),
      service('todo', 'todo_login', secrets.login) + service('todo_owner', 'todo_owner', secrets.owner),
    )
    return embedded
  } catch (error) {
    await cluster.stop()
    throw error
  }
}

/** Creates the owner, the login role and the database, each unless it exists, and applies the migrations. */
export async function provision(
  urls: Pick<Embedded, 'superuserUrl' | 'migrationUrl' | 'databaseUrl'>,
): Promise<void> {
  const sql = postgres(urls.superuserUrl, { max: 1, onnotice: () => {} })
  const createRole = async (url: string, attributes: string) => {
    const { username, password } = new URL(url)
    const [existing] = await sql`select from pg_roles where rolname = ${username}`
    // A password cannot be a parameter here. These are base64url and need no escaping.
    if (!existing) await sql.unsafe(`create role ${username} login ${attributes} password '${password}'`)
    return username
  }
  try {
    const owner = await createRole(urls.migrationUrl, 'createrole')
    const login = await createRole(urls.databaseUrl, '')
    const database = new URL(urls.migrationUrl).pathname.slice(1)
    const [existing] = await sql`select from pg_database where datname = ${database}`
    if (!existing) await sql`create database ${sql(database)} owner ${sql(owner)}`
    await migrate(urls.migrationUrl)
    await sql`grant todo_api to ${sql(login)}`
    await revokeCreation(Object.assign(new URL(urls.superuserUrl), { pathname: `/${database}` }).href)
  } finally {
    await sql.end()
  }
}

/** Revokes PUBLIC's default privileges to create temporary tables and large objects. */
async function revokeCreation(url: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    await sql`revoke temporary on database ${sql(new URL(url).pathname.slice(1))} from public`
    await sql`
      revoke execute on function lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) from public`
  } finally {
    await sql.end()
  }
}

/** Applies the pending migrations with dbmate. */
export async function migrate(url: string): Promise<void> {
  const options = ['--migrations-dir', join(packageRoot, 'db/migrations'), '--no-dump-schema']
  // The URL is not an argument, because other users could see it in the process list.
  await runProgram(resolveBinary(), [...options, 'migrate'], {
    cwd: packageRoot,
    env: { ...lockTimeout, DATABASE_URL: url },
  })
}
