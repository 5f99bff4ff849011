import type { ChildProcess } from 'node:child_process'
import t from 'tap'
import { findProgram, needs } from '../../support/external-programs.ts'
import { isRunning, program, start } from './process.ts'

t.test('leaves nothing when it is stopped, or nobody reads on', async (t) => {
  const stops: [string, (demo: ChildProcess) => unknown, number][] = [
    ['The TODO API', (demo) => demo.kill('SIGTERM'), 143],
    ['3. They create todos', (demo) => demo.kill('SIGINT'), 130],
    ['1. ', (demo) => demo.stdout?.destroy(), 141],
  ]
  const stopped = stops.map(async ([text, stop, code]) => {
    const { demo, said, ended, until, left } = start(t)
    await until(text)
    stop(demo)
    t.equal(await ended, code, text)
    t.equal(said.err, '')
    t.same(left(), [])
  })
  await Promise.all(stopped)
})

t.test('is coloured on a terminal, where Ctrl-C ends it', needs('script'), async (t) => {
  const line = program.map((word) => `'${word}'`).join(' ')
  const script = [`${findProgram('script')}`, '-qec', line, '/dev/null']
  const env = { TERM: 'xterm', CI: undefined, FORCE_COLOR: undefined, NO_COLOR: undefined }
  const { demo, said, ended, until, findDatabase, left } = start(t, env, script)
  await until('1. Ada')
  t.match(said.out, '\n\x1b[1m1. Ada')
  const database = findDatabase()
  demo.stdin.write('\x03')
  t.equal(await ended, 130)
  t.notMatch(said.out, 'Error')
  t.same(left(), [])
  t.notOk(isRunning(database))
})
