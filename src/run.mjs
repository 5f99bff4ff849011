import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

// `node src/run.mjs COMMAND` runs a command in a checkout, a production install or the image. With the development
// dependencies installed, `start` builds first and the other commands run from source; otherwise all run from dist/.

/** @type {Record<string, string>} */
const commands = {
  start: 'src/server',
  migrate: 'db/dbmate',
  rollback: 'db/dbmate',
  status: 'db/dbmate',
  new: 'db/dbmate',
  audit: 'db/audit/report',
  diagram: 'db/print-diagram',
  users: 'db/users',
}
const { resolve } = createRequire(import.meta.url)
/** @param {string} name */
const find = (name) => {
  try {
    return resolve(name)
  } catch {
    return undefined
  }
}
/** @param {string} path */
const at = (path) => new URL(`../${path}`, import.meta.url)
/** @param {string} message */
const fail = (message) => {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}

const name = process.argv[2] ?? 'start'
const module = commands[name] ?? fail(`The command must be one of ${Object.keys(commands).join(', ')}.`)
// Remove the command from the arguments; dbmate has the same commands, and reads it.
process.argv.splice(2, module === 'db/dbmate' ? 0 : 1)

const compiler = find('typescript/package.json')
if (name !== 'start' && find('ts-blank-space')) {
  await import('ts-blank-space/register')
  await import(at(`${module}.ts`).href)
} else {
  if (name === 'start' && compiler) {
    const build = [join(dirname(compiler), 'bin/tsc'), '-p', fileURLToPath(at('src'))]
    const { status } = spawnSync(process.execPath, build, { stdio: 'inherit' })
    if (status !== 0) process.exit(status ?? 1)
  }
  if (!existsSync(at(`dist/${module}.js`)))
    fail(
      'The service is not built: run npm ci --include=dev && npm run build, then optionally npm prune --omit=dev.',
    )
  await import(at(`dist/${module}.js`).href)
}
