import childProcess from 'node:child_process'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { basename } from 'node:path'
import { promisify } from 'node:util'

// Loaded before a program. Kills it at one of its steps: before a change to the file system, or before or after the
// start of another program. KILL_AT says at which; at its end, the program prints all the steps.

const killAt = process.env.KILL_AT
/** @type {string[]} */
const steps = []
/** Whether a step is part of another one: what cpSync does with each file. */
let inside = false

/**
 * @param {string} kind
 * @param {unknown[]} args
 */
function step(kind, args) {
  const [path, options] = args
  // The last argument of a program, or the path. Not the number of a file, which differs from run to run.
  const subject = Array.isArray(options)
    ? `${basename(`${path}`)} ${basename(options.at(-1))}`
    : basename(`${path}`)
  const label = `${kind} ${subject.replace(/unfinished-[\w-]+|(?<=cluster-).*|^\d+$/, '')}`
  steps.push(label)
  if (label === killAt) process.kill(process.pid, 'SIGKILL')
}

/**
 * @param {any} module
 * @param {string} name
 * @param {boolean} starts
 */
function watch(module, name, starts) {
  const original = module[name]
  /** @param {(...args: unknown[]) => unknown} call */
  const watched =
    (call) =>
    (/** @type {unknown[]} */ ...args) => {
      if (inside) return call(...args)
      step(`before ${name}`, args)
      inside = true
      const result = call(...args)
      inside = false
      if (starts) step(`after ${name}`, args)
      return result
    }
  module[name] = watched(original)
  if (promisify.custom in original) module[name][promisify.custom] = watched(original[promisify.custom])
}

for (const name of [
  'mkdirSync',
  'mkdtempSync',
  'symlinkSync',
  'writeFileSync',
  'renameSync',
  'rmSync',
  'cpSync',
])
  watch(fs, name, false)
for (const name of ['chownSync', 'ftruncateSync', 'chmodSync']) watch(fs, name, false)
for (const name of ['spawn', 'execFile']) watch(childProcess, name, true)
syncBuiltinESMExports()
process.on('exit', () => process.stdout.write(JSON.stringify(steps)))
