import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { testing } from '../../support/app.ts'

export const program = [
  process.execPath,
  '--import',
  'ts-blank-space/register',
  'test/e2e/demo/run.ts',
] as const
/** But for the limits, which are what they are for everyone. */
const patient = Object.entries(testing).filter(([name]) => !name.startsWith('RATE_LIMIT'))

/** Starts the demo, with a folder of its own for what is temporary. */
export function start(t: Test, env: NodeJS.ProcessEnv = {}, [file, ...args]: readonly string[] = program) {
  const folder = mkdtempSync(join(tmpdir(), 'todo-api-test-'))
  chmodSync(folder, 0o755)
  const demo = spawn(`${file}`, args, {
    env: { ...process.env, ...Object.fromEntries(patient), TMPDIR: folder, ...env },
  })
  const said = { out: '', err: '' }
  demo.stdout.on('data', (data) => (said.out += data))
  demo.stderr.on('data', (data) => (said.err += data))
  const ended = new Promise<number | null>((resolve) => demo.once('close', resolve))
  t.teardown(async () => {
    demo.kill('SIGTERM')
    await ended
    rmSync(folder, { recursive: true, force: true })
  })
  /** Until it has said something, or ended. */
  const until = async (text: string) => {
    const data = () => new Promise((resolve) => demo.stdout.once('data', resolve))
    while (!said.out.includes(text) && demo.exitCode === null) await Promise.race([data(), ended])
  }
  /** The process of its running database. */
  const findDatabase = () => {
    const [own = ''] = readdirSync(folder)
    return Number.parseInt(readFileSync(join(folder, own, 'postgres/data/postmaster.pid'), 'utf8'), 10)
  }
  return { demo, said, ended, until, findDatabase, left: () => readdirSync(folder) }
}

export function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
