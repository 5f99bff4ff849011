import { mkdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { resolveBinary } from 'dbmate'
import postgres from 'postgres'
import { packageRoot } from '../../src/config.ts'
import { lockTimeout } from '../child-environment.ts'
import { startCluster } from './cluster.ts'
import { explainFileError, inheritOwner, removeUnfinished, writeSecretFile } from './files.ts'
import { lockFolder } from './lock.ts'
import { run } from './program.ts'
import { loadSecrets } from './secrets.ts'

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

/**
 * Starts the embedded PostgreSQL, makes its roles and database, and applies the migrations.
 * @param dataDir folder of the data and of the secrets that are made for it; made when missing
 * @param flags settings for the server, as `name=value`
 * @throws {Error} of one sentence when another process holds the folder or the server does not come up
 */
export async function startEmbedded(dataDir: string, flags: string[] = []): Promise<Embedded> {
  const folder = resolve(dataDir)
  let release = () => {}
  try {
    if (mkdirSync(folder, { recursive: true })) inheritOwner(folder)
    release = lockFolder(folder)
    removeUnfinished(folder)
    // Of version 1.0, which trusted the process ID in it.
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
  const options = ['--migrations-dir', join(packageRoot, 'db/migrations'), '--no-dump-schema']
  // Not as an argument, which others could see in the process list.
  await run(resolveBinary(), [...options, 'migrate'], {
    cwd: packageRoot,
    env: { ...lockTimeout, DATABASE_URL: url },
  })
}
