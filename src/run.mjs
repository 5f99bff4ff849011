import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

// `node src/run.mjs COMMAND`: one door for a checkout, a production install and the image. Where TypeScript is
// installed, `start` builds first and the other commands run from the sources; otherwise all run from dist.

/** @type {Record<string, string>} */
const commands = {
  start: 'src/server',
  migrate: 'db/dbmate',
  rollback: 'db/dbmate',
  status: 'db/dbmate',
  new: 'db/dbmate',
  audit: 'db/audit/report',
  diagram: 'db/print-diagram',
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
/** @param {string} sentence */
const refuse = (sentence) => {
  process.stderr.write(`${sentence}\n`)
  process.exit(1)
}

const name = process.argv[2] ?? 'start'
const module = commands[name] ?? refuse(`The command must be one of ${Object.keys(commands).join(', ')}.`)
// Each command reads its own arguments; dbmate's begin with its own command.
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
    refuse(
      'The service is not built: run npm ci --include=dev && npm run build, and then npm prune --omit=dev if you like.',
    )
  await import(at(`dist/${module}.js`).href)
}
