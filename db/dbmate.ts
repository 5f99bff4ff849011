import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { resolveBinary } from 'dbmate'
import { packageRoot } from '../src/config.ts'
import { childEnvironment, lockTimeout } from './child-environment.ts'
import { findTarget, withConnection } from './connect.ts'

// Runs dbmate as the schema owner: with MIGRATION_DATABASE_URL from the environment or .env, or on the running embedded
// database. The URL is never passed as an argument, because other users could see it in the process list.

const args = process.argv.slice(2)

async function main(): Promise<number> {
  let url: string | undefined
  // Creating a migration file needs no database.
  if (args[0] !== 'new') {
    const target = findTarget(['MIGRATION_DATABASE_URL'])
    await withConnection(target, async () => {})
    url = target.url
  }
  const options = ['--env', 'MIGRATION_DATABASE_URL', '--no-dump-schema']
  // dbmate reads .env from the working directory; there is none here.
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
