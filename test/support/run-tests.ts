import { type ChildProcess, execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { runAndReap } from './reap-processes.ts'
import { startServer } from './start-postgres.ts'

// Runs tap, with one PostgreSQL for the whole suite. Arguments go to tap: `npm test -- test/todos/*`.

const tapProgram = 'node_modules/tap/dist/esm/run.mjs'

// tap is compiled with the plugins that .taprc names, once after each install, and for one place.
const built = 'node_modules/.tap-built'
if (!existsSync(built) || readFileSync(built, 'utf8') !== process.cwd()) {
  execFileSync(process.execPath, [tapProgram, 'build'], { stdio: 'ignore' })
  writeFileSync(built, process.cwd())
}
// The tests of the start run the production build.
execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'src'], { stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => tap?.kill(signal))
let tap: ChildProcess | undefined
const { env, stop } = await startServer()
try {
  // A test file that times out cannot stop what it started.
  const { code } = await runAndReap(
    [tapProgram, ...process.argv.slice(2)],
    { ...process.env, ...env },
    (child) => {
      tap = child
    },
  )
  process.exitCode = code
} finally {
  await stop()
}
