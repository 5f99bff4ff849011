import { provision } from '../../db/embedded/start.ts'
import { startTemporary } from './temporary-postgres.ts'

/**
 * Starts the one PostgreSQL of a run, and migrates the template that each test file clones. With
 * TEST_SUPERUSER_URL the server behind it is used instead of the embedded one.
 * @returns the environment for the tests, and how to stop the server
 */
export async function startServer() {
  const { superuserUrl, migrationUrl, databaseUrl, stop } = await prepare()
  const env = {
    TEST_SUPERUSER_URL: superuserUrl,
    TEST_MIGRATION_URL: migrationUrl,
    TEST_DATABASE_URL: databaseUrl,
  }
  return { env, stop }
}

async function prepare() {
  const external = process.env.TEST_SUPERUSER_URL
  // What a test database loses in a crash is not missed.
  if (!external) return startTemporary(['fsync=off', 'full_page_writes=off', 'max_connections=200'])
  const url = (username: string) =>
    Object.assign(new URL(external), { username, password: 'for-tests-only', pathname: '/todo_template' })
      .href
  const urls = {
    superuserUrl: external,
    migrationUrl: url('todo_test_owner'),
    databaseUrl: url('todo_test_login'),
  }
  await provision(urls)
  return { ...urls, stop: async () => {} }
}
