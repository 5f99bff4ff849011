import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, statSync, watch } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { withEmbeddedDatabase } from '../../db/embedded/with-embedded-database.ts'
import { loadEnvironment } from '../../src/environment.ts'
import { blankFile } from './strip-types.mjs'

// `npm run dev`: the service from its sources, anew on every change, within a second. What takes long stays:
// the embedded database, and the compiler, whose results the service only loads.

/** Milliseconds in which an editor is done with a file, or with all that it saves together. */
const SETTLED = 30

const interrupted = new Promise((resolve) => {
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, resolve)
})
loadEnvironment()
const { env, psql, stop } = await withEmbeddedDatabase(process.env)
if (psql) process.stdout.write(`Database ${psql}\n`)

let server: ChildProcess | undefined
async function stopServer(): Promise<void> {
  if (server?.exitCode !== null || !server.kill('SIGTERM')) return
  await once(server, 'exit')
}
async function restart(): Promise<void> {
  await stopServer()
  watchFolders()
  server = spawn(process.execPath, ['--import', import.meta.resolve('./strip-types.mjs'), 'src/server.ts'], {
    stdio: 'inherit',
    env: { SHUTDOWN_DELAY_MS: '0', NODE_COMPILE_CACHE: 'node_modules/.cache/compile', ...env },
  })
}

const watched = new Set<string>()
/** One by one: when it watches recursively, Node 20 loses a file in whose place an editor puts another. */
function watchFolders(): void {
  const rooms = readdirSync('src').map((name) => join('src', name))
  for (const folder of ['src', 'db', ...rooms.filter((path) => statSync(path).isDirectory())]) {
    if (!watched.has(folder)) watch(folder, (_event, file) => noteChange(join(folder, `${file}`)))
    watched.add(folder)
  }
}

const changed = new Set<string>()
let timer: NodeJS.Timeout | undefined
function noteChange(path: string): void {
  if (!path.endsWith('.ts')) return
  changed.add(path)
  clearTimeout(timer)
  timer = setTimeout(() => {
    // A file that is gone needs no compiling.
    const compiled = [...changed].map((path) => blankFile(pathToFileURL(path).href).catch(() => {}))
    changed.clear()
    restarted = Promise.all([restarted, ...compiled]).then(restart)
  }, SETTLED)
}

// One after the other.
let restarted = restart()
// Before the first change needs it.
await import('ts-blank-space')

await interrupted
clearTimeout(timer)
await restarted
await stopServer()
await stop()
// In spite of the watchers.
process.exit()
