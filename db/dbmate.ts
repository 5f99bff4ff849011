import { spawnSync } from 'node:child_process'
import { resolveBinary } from 'dbmate'
import { loadEnvironment } from './environment.ts'
import { lockTimeout } from './lock-timeout.ts'

// dbmate as the owner of the schema: of MIGRATION_DATABASE_URL in the environment or in .env, or else of
// the running embedded database. The URL is never an argument, which others could see in the process list.

loadEnvironment()
const options = ['--env', 'MIGRATION_DATABASE_URL', '--no-dump-schema']
const { status } = spawnSync(resolveBinary(), [...options, ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: { ...lockTimeout, ...process.env },
})
process.exitCode = Number(status)
