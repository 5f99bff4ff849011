import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

// Generators and clients that other people use. They would make npm ci several times as large, so the first run installs
// them in the cache folder. These are the newest versions that run on Node 20.
const packages = [
  '@hey-api/openapi-ts@0.95.0',
  '@stoplight/prism-cli@5.14.2',
  'httpyac@6.16.7',
  'newman@6.2.2',
  'openapi-to-postmanv2@6.3.3',
  'orval@7.13.2',
  'typescript@5.9.3',
]
const cache = join(process.cwd(), 'node_modules/.cache')
const folder = join(
  cache,
  `clients-${createHash('sha256').update(packages.join()).digest('hex').slice(0, 12)}`,
)

const run = promisify(execFile)

/** Installs the tools, unless they are. @returns for the options of a test: the reason to skip it, when npm cannot */
export async function needsTools(): Promise<{ skip: string | false }> {
  if (existsSync(folder)) return { skip: false }
  mkdirSync(cache, { recursive: true })
  const unfinished = mkdtempSync(join(cache, 'clients-'))
  try {
    writeFileSync(join(unfinished, 'package.json'), '{}')
    const options = ['--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error', '--fetch-retries=1']
    await run('npm', ['install', ...options, ...packages], { cwd: unfinished, timeout: 240_000 })
    renameSync(unfinished, folder)
    return { skip: false }
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true })
    const [reason] = `${(error as { stderr?: string }).stderr || error}`.trim().split('\n')
    return { skip: `npm could not install the clients: ${reason}` }
  }
}

/** The path of a tool. */
export const tool = (name: string) => join(folder, 'node_modules/.bin', name)

/** Runs a tool. @throws {Error} with what it printed, when it fails */
export async function runTool(cwd: string, name: string, ...args: string[]): Promise<string> {
  const options = { cwd, timeout: 120_000, maxBuffer: 1e8, env: { ...process.env, NO_COLOR: '1' } }
  const { stdout } = await run(tool(name), args, options).catch((error) => {
    throw new Error(`${name} failed\n${error.stdout}\n${error.stderr}`, { cause: error })
  })
  return stdout
}
