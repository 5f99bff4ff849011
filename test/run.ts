import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { provision, startEmbedded } from '../db/embedded.ts'

// Starts one PostgreSQL for the whole suite, migrates the template that each test file clones, and
// runs tap. With TEST_SUPERUSER_URL the server behind it is used instead of the embedded one.
// Arguments go to tap: `npm test -- test/todos`.

const tapProgram = 'node_modules/tap/dist/esm/run.mjs'

async function prepare() {
  const external = process.env.TEST_SUPERUSER_URL
  if (!external) {
    const folder = mkdtempSync(join(tmpdir(), 'todo-api-test-'))
    // What a test database loses in a crash is not missed.
    const embedded = await startEmbedded(folder, ['fsync=off', 'full_page_writes=off', 'max_connections=200'])
    return {
      ...embedded,
      stop: () => embedded.stop().finally(() => rmSync(folder, { recursive: true, force: true })),
    }
  }
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

// tap is compiled with the plugins that .taprc names, once after each install, and for one place.
const built = 'node_modules/.tap-built'
if (!existsSync(built) || readFileSync(built, 'utf8') !== process.cwd()) {
  execFileSync(process.execPath, [tapProgram, 'build'], { stdio: 'ignore' })
  writeFileSync(built, process.cwd())
}
// The tests of the start run the production build.
execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'src'], { stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => tap?.kill(signal))
let tap: ReturnType<typeof spawn> | undefined
const { superuserUrl, migrationUrl, databaseUrl, stop } = await prepare()
try {
  tap = spawn(process.execPath, [tapProgram, ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: {
      ...process.env,
      TEST_SUPERUSER_URL: superuserUrl,
      TEST_MIGRATION_URL: migrationUrl,
      TEST_DATABASE_URL: databaseUrl,
    },
  })
  process.exitCode = await new Promise<number>((resolve) => tap?.once('exit', (code) => resolve(code ?? 1)))
} finally {
  await stop()
}
