import { randomUUID } from 'node:crypto'
import postgres from 'postgres'
import type { Test } from 'tap'

function variable(name: string): string {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: run the tests with npm test`)
  return value
}

export interface TestDatabase {
  /** Of the API's login role. */
  url: string
  /** Of the schema's owner. */
  ownerUrl: string
  /** Of the superuser. */
  adminUrl: string
  /** A connection of the superuser, to look at what the API's role cannot see. */
  admin: postgres.Sql
}

const within = (url: string, database: string) =>
  Object.assign(new URL(url), { pathname: `/${database}` }).href

/**
 * A clone of the migrated template, or of another database that nobody is connected to.
 * @returns the clone, and how to drop it
 */
export async function makeClone(
  template?: string,
): Promise<TestDatabase & { name: string; drop(): Promise<void> }> {
  const superuserUrl = variable('TEST_SUPERUSER_URL')
  const migrationUrl = variable('TEST_MIGRATION_URL')
  const { pathname, username } = new URL(migrationUrl)
  const name = `test_${randomUUID().replaceAll('-', '')}`
  const server = postgres(superuserUrl, { max: 1, onnotice: () => {} })
  await server`create database ${server(name)} template ${server(template ?? pathname.slice(1))} owner ${server(username)}`
  // What PUBLIC may do in a database is not cloned.
  await server`revoke temporary on database ${server(name)} from public`
  const adminUrl = within(superuserUrl, name)
  const admin = postgres(adminUrl, { max: 2, onnotice: () => {} })
  const drop = async () => {
    await admin.end({ timeout: 1 })
    await server`drop database ${server(name)} with (force)`
    await server.end()
  }
  const url = within(variable('TEST_DATABASE_URL'), name)
  return { name, url, ownerUrl: within(migrationUrl, name), adminUrl, admin, drop }
}

/** A database of its own for a test file: a clone of the migrated template, dropped at the end. */
export async function cloneDatabase(t: Test): Promise<TestDatabase> {
  const { drop, ...database } = await makeClone()
  t.teardown(drop)
  return database
}

/** An empty database, and an owner of its own who may migrate it: what that changes of itself meets no other test. */
export async function createEmptyDatabase(t: Test): Promise<Pick<TestDatabase, 'ownerUrl' | 'admin'>> {
  const superuserUrl = variable('TEST_SUPERUSER_URL')
  const name = `test_${randomUUID().replaceAll('-', '')}`
  const server = postgres(superuserUrl, { max: 1, onnotice: () => {} })
  await server.unsafe(`create role ${name} login createrole password '${name}'`)
  await server`grant todo_api, todo_auth to ${server(name)} with admin option`
  await server`create database ${server(name)} owner ${server(name)}`
  const admin = postgres(within(superuserUrl, name), { max: 2, onnotice: () => {} })
  t.teardown(async () => {
    await admin.end({ timeout: 1 })
    await server`drop database ${server(name)} with (force)`
    await server`drop role ${server(name)}`
    await server.end()
  })
  const ownerUrl = Object.assign(new URL(within(superuserUrl, name)), { username: name, password: name }).href
  return { ownerUrl, admin }
}
