import { existsSync } from 'node:fs'
import t from 'tap'
import { findProcesses, runAndReap } from './reap-processes.ts'

const linux = { skip: !existsSync('/proc/self/environ') && 'needs /proc' }
t.test('ends the processes of a test file that timed out', linux, async (t) => {
  const { NODE_OPTIONS, ...env } = process.env
  const args = ['--import', './test/support/strip-types.mjs', 'test/support/times-out.ts']
  const { code, left, id } = await runAndReap(args, env, undefined, 'ignore')
  t.not(code, 0, 'it failed')
  t.equal(left, 1, 'a process was left')
  t.same(findProcesses(id), [], 'and is there no more')
})
