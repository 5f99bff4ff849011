import { spawnSync } from 'node:child_process'
import { resolveBinary } from 'dbmate'
import { loadEnvironment } from './environment.ts'

// dbmate as the owner of the schema: of MIGRATION_DATABASE_URL in the environment or in .env, or else of
// the running embedded database. The URL is never an argument, which others could see in the process list.

loadEnvironment()
const options = ['--env', 'MIGRATION_DATABASE_URL', '--no-dump-schema']
// Whoever waits for a lock on a table keeps all others waiting: a migration gives up first. No transaction of
// the API is as long, so that an index made concurrently gets past them.
const env = { PGOPTIONS: '-c lock_timeout=15s', ...process.env }
const { status } = spawnSync(resolveBinary(), [...options, ...process.argv.slice(2)], {
  stdio: 'inherit',
  env,
})
process.exitCode = Number(status)
