import { type ChildProcess, execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { runAndReap } from './reap-processes.ts'
import { startServer } from './start-postgres.ts'

// Runs tap, with one PostgreSQL for all tests. Arguments go to tap: `npm test -- test/todos/*`. With --e2e first, it
// runs the end-to-end tests instead, on the production build and without measuring coverage.

const tapProgram = 'node_modules/tap/dist/esm/run.mjs'
const [first, ...rest] = process.argv.slice(2)
const e2e = first === '--e2e'
const given = e2e ? rest : process.argv.slice(2)
const names = given.filter((argument) => !argument.startsWith('-'))
const e2eArgs = ['--disable-coverage', ...(names.length > 0 ? [] : ['test/e2e/**/*.test.ts'])]

// tap is compiled with the plugins that .taprc names, once after each install, and for one place.
const built = 'node_modules/.tap-built'
if (!existsSync(built) || readFileSync(built, 'utf8') !== process.cwd()) {
  execFileSync(process.execPath, [tapProgram, 'build'], { stdio: 'ignore' })
  writeFileSync(built, process.cwd())
}
if (e2e)
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'src'], { stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => tap?.kill(signal))
let tap: ChildProcess | undefined
const { env, stop } = await startServer()
try {
  // A test file that times out cannot stop what it started.
  const { code } = await runAndReap(
    [tapProgram, ...(e2e ? e2eArgs : []), ...given],
    { ...process.env, ...env, ...(e2e && { TEST_BUILD: 'dist' }) },
    (child) => {
      tap = child
    },
  )
  process.exitCode = code
} finally {
  await stop()
}
