import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { resolveBinary } from 'dbmate'
import { childEnvironment } from './child-environment.ts'
import { findTarget, withConnection } from './connect.ts'
import { lockTimeout } from './lock-timeout.ts'

// dbmate as the owner of the schema: of MIGRATION_DATABASE_URL in the environment or in .env, or else of
// the running embedded database. The URL is never an argument, which others could see in the process list.

/** The package, wherever this module was compiled to. */
const root = dirname(createRequire(import.meta.url).resolve('todo-api/package.json'))
const args = process.argv.slice(2)

async function main(): Promise<number> {
  let url: string | undefined
  // Making a file needs no database.
  if (args[0] !== 'new') {
    const target = findTarget(['MIGRATION_DATABASE_URL'])
    await withConnection(target, async () => {})
    url = target.url
  }
  const options = ['--env', 'MIGRATION_DATABASE_URL', '--no-dump-schema']
  // Away from a .env file, which dbmate would read by itself.
  const folder = join(root, 'db/migrations')
  const { status } = spawnSync(resolveBinary(), [...options, '--migrations-dir', folder, ...args], {
    stdio: 'inherit',
    cwd: folder,
    env: childEnvironment({
      ...lockTimeout,
      MIGRATION_DATABASE_URL: url,
      PGPASSWORD: process.env.PGPASSWORD,
    }),
  })
  return status ?? 1
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 2
}
