import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { resolveBinary } from 'dbmate'

// dbmate as the owner of the schema: of MIGRATION_DATABASE_URL in the environment or in .env, or else of
// the running embedded database. The URL is never an argument, which others could see in the process list.

const files = ['.env', join(process.env.DATA_DIR || '.data', 'env')]
for (const file of files.filter((name) => existsSync(name))) process.loadEnvFile(file)
const options = ['--env', 'MIGRATION_DATABASE_URL', '--no-dump-schema']
const { status } = spawnSync(resolveBinary(), [...options, ...process.argv.slice(2)], { stdio: 'inherit' })
process.exitCode = Number(status)
