import { spawn } from 'node:child_process'
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { accountFor } from '../../db/embedded/place.ts'

// Programs that npm does not bring. A test that needs one that is missing is skipped, with this sentence.

// Debian keeps the programs of PostgreSQL's server apart, by its version.
const debian = '/usr/lib/postgresql'
const servers = existsSync(debian) ? readdirSync(debian).map((version) => join(debian, version, 'bin')) : []
const folders = [...`${process.env.PATH}`.split(':'), '/usr/sbin', '/usr/local/sbin', ...servers]
const isProgram = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
/** Where a program is; undefined when it is not installed. */
export const findProgram = (name: string): string | undefined =>
  folders.map((folder) => join(folder, name)).find(isProgram)
/** For the options of a test. */
export const needs = (...names: string[]) => {
  const missing = names.filter((name) => !findProgram(name))
  return { skip: missing.length > 0 && `${missing.join(' and ')} must be installed for this` }
}

const isListening = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const answer = (heard: boolean) => () => {
      socket.destroy()
      resolve(heard)
    }
    socket.on('connect', answer(true)).on('error', answer(false))
  })

/**
 * Starts a server program that listens on a port, and never as root.
 * @param files that it reads, by name; made in a folder of its own
 * @param args in which `%/` stands for that folder
 * @returns how to stop it, which happens at the end of the test too
 */
export async function startProgram(
  t: Test,
  name: string,
  port: number,
  args: string[],
  files: Record<string, string> = {},
): Promise<{ stop(signal?: NodeJS.Signals): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), `${name}-`))
  chmodSync(folder, 0o755)
  const place = (text: string) => text.replaceAll('%/', `${folder}/`)
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), place(text))
  const program = spawn(`${findProgram(name)}`, args.map(place), {
    ...(await accountFor(process.getuid?.())),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  for (const stream of [program.stdout, program.stderr]) stream.on('data', (data) => (said += data))
  const ended = new Promise<void>((resolve) => program.once('exit', () => resolve()))
  const stop = async (signal: NodeJS.Signals = 'SIGKILL') => {
    program.kill(signal)
    await ended
    rmSync(folder, { recursive: true, force: true })
  }
  t.teardown(stop)
  for (let waited = 0; !(await isListening(port)); waited += 20) {
    if (program.exitCode !== null || waited > 5000) throw new Error(`${name} did not start: ${said}`)
    await sleep(20)
  }
  return { stop }
}
