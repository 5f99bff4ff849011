import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { resolveBinary } from 'dbmate'
import { packageRoot } from '../src/config.ts'
import { childEnvironment, lockTimeout } from './child-environment.ts'
import { findTarget, withConnection } from './connect.ts'

// dbmate as the owner of the schema: of MIGRATION_DATABASE_URL in the environment or in .env, or else of
// the running embedded database. The URL is never an argument, which others could see in the process list.

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
  const folder = join(packageRoot, 'db/migrations')
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
