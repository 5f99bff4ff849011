import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { childEnvironment } from '../../../db/child-environment.ts'
import { freePort } from '../../support/free-port.ts'
import { JWT_SECRET, quiet } from '../../support/service-process.ts'
import { until } from '../../support/until.ts'

interface Document {
  paths: { '/health': { get: { summary: string } } }
}

t.test('npm run dev restarts on every change, and keeps the database running', async (t) => {
  const copy = t.testdir()
  for (const name of [
    'src',
    'db',
    'package.json',
    'test/support/strip-types.mjs',
    'test/support/dev-server.ts',
  ])
    cpSync(name, join(copy, name), { recursive: true })
  symlinkSync(join(process.cwd(), 'node_modules'), join(copy, 'node_modules'))
  const port = await freePort()
  const dev = spawn(
    process.execPath,
    ['--import', './test/support/strip-types.mjs', 'test/support/dev-server.ts'],
    {
      cwd: copy,
      env: { ...childEnvironment(), ...quiet, JWT_SECRET, PORT: `${port}` },
    },
  )
  let said = ''
  for (const stream of [dev.stdout, dev.stderr]) stream.on('data', (data) => (said += data))
  t.teardown(() => dev.kill('SIGINT'))

  const readSummary = async () => {
    const response = await fetch(`http://127.0.0.1:${port}/docs/json`)
    return ((await response.json()) as Document).paths['/health'].get.summary
  }
  const shows = (summary: string) =>
    until(`the document says: ${summary}`, async () => {
      if (dev.exitCode !== null) throw new Error(said)
      return (await readSummary().catch(() => '')) === summary
    })
  const postgres = () => readFileSync(join(copy, '.data/postgres/data/postmaster.pid'), 'utf8').split('\n')[0]
  const file = join(copy, 'src/service/routes.ts')
  const text = readFileSync(file, 'utf8')
  const summary = 'Check that the process is running'
  const change = (other: string) => text.replace(summary, other)

  await shows(summary)
  const first = postgres()
  writeFileSync(file, change('Written over'))
  await shows('Written over')
  writeFileSync(`${file}~`, change('Put in its place'))
  renameSync(`${file}~`, file)
  await shows('Put in its place')
  writeFileSync(file, 'this is wrong')
  await until('the error is printed', () => said.includes('SyntaxError'))
  writeFileSync(file, text)
  await shows(summary)
  t.equal(postgres(), first)

  dev.kill('SIGINT')
  t.same(await once(dev, 'exit'), [0, null])
  await t.rejects(fetch(`http://127.0.0.1:${port}/health`))
})
