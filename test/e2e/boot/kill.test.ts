import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { childEnvironment } from '../../../db/child-environment.ts'

function makeFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'todo-api-test-'))
  chmodSync(folder, 0o755)
  t.teardown(() => rmSync(folder, { recursive: true, maxRetries: 10 }))
  return folder
}

/** Starts and stops the embedded database in a process of its own. @returns its steps, or none when it was killed */
async function startAndStop(folders: string[], KILL_AT?: string) {
  const args = [
    '--import',
    './test/support/strip-types.mjs',
    '--import',
    './test/e2e/boot/kill.mjs',
    'test/e2e/boot/start-and-stop.ts',
  ]
  const child = spawn(process.execPath, [...args, ...folders], { env: childEnvironment({ KILL_AT }) })
  let out = ''
  let err = ''
  child.stdout.on('data', (data) => (out += data))
  child.stderr.on('data', (data) => (err += data))
  // Not `close`: a program that a killed process started may hold its output open.
  const [[code, signal]] = await Promise.all([once(child, 'exit'), KILL_AT ? [] : once(child.stdout, 'end')])
  for (const stream of [child.stdout, child.stderr]) stream.destroy()
  return { code, signal, err, steps: code === 0 && !KILL_AT ? (JSON.parse(out) as string[]) : [] }
}

// In one folder after the other: each start is killed one step later than the one before. That it gets there shows
// that it repaired what the one before had left.
for (const [place, folders] of [
  ['where the server reaches its folder', ['data']],
  ['where it does not', ['cluster', 'refuge']],
] as const)
  t.test(`starts after a start that was killed at any step, ${place}`, async (t) => {
    const whole = makeFolder(t)
    const { steps, err } = await startAndStop(folders.map((name) => join(whole, name)))
    t.ok(steps.includes('after execFile initdb --no-sync'), err)
    const folder = makeFolder(t)
    const places = folders.map((name) => join(folder, name))
    for (const step of new Set(steps)) {
      const { signal, err } = await startAndStop(places, step)
      t.equal(signal, 'SIGKILL', `${step} ${err}`)
    }
    t.match(await startAndStop(places), { code: 0 })
    t.notMatch(readdirSync(folder, { recursive: true }).join('\n'), 'unfinished')
  })
