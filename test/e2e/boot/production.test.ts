import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { childEnvironment } from '../../../db/child-environment.ts'
import { cloneDatabase } from '../../support/clone-database.ts'
import { freePort } from '../../support/free-port.ts'
import { JWT_SECRET, quiet } from '../../support/service-process.ts'
import { until } from '../../support/until.ts'

const run = promisify(execFile)

// A copy of what is built, with the packages of `npm ci --omit=dev` alone.
t.test('starts, migrates and audits without development dependencies', async (t) => {
  const { url, ownerUrl } = await cloneDatabase(t)
  // Outside of the checkout, whose packages Node would find too.
  const copy = realpathSync(mkdtempSync(join(tmpdir(), 'todo-api-test-')))
  t.teardown(() => rmSync(copy, { recursive: true }))
  for (const name of ['src', 'db', 'dist', 'package.json'])
    cpSync(name, join(copy, name), { recursive: true })
  const list = await run('npm', ['ls', '--omit=dev', '--all', '--parseable']).catch((error) => error)
  for (const path of `${list.stdout}`.trim().split('\n').slice(1)) {
    const name = path.replace(`${process.cwd()}/`, '')
    // What is nested comes with its parent.
    if (name.lastIndexOf('node_modules') > 0) continue
    mkdirSync(dirname(join(copy, name)), { recursive: true })
    symlinkSync(path, join(copy, name))
  }
  const env = { ...childEnvironment(), DATABASE_URL: url, MIGRATION_DATABASE_URL: ownerUrl }
  const npm = (args: string[], more: Record<string, string | undefined> = {}) =>
    run('npm', args, { cwd: copy, env: { ...env, NODE_ENV: 'production', ...more } })
  t.match((await npm(['run', 'db:migrate'])).stdout, /migrate/)
  t.match((await npm(['run', 'db:status'])).stdout, 'Pending: 0')
  t.match((await npm(['run', 'db:audit'])).stdout, 'No findings')

  const failure = (started: Promise<unknown>): Promise<string> =>
    started.then(
      () => 'it did not fail',
      ({ stderr }) => stderr,
    )
  const port = `${await freePort()}`
  const controller = new AbortController()
  const settings = { ...quiet, BCRYPT_COST: '10', JWT_SECRET, PORT: port, HOST: '127.0.0.1' }
  const args = ['--max-semi-space-size=4', 'src/run.mjs', 'start']
  const options = {
    cwd: copy,
    env: { ...env, NODE_ENV: 'production', ...settings },
    signal: controller.signal,
  }
  const service = run(process.execPath, args, options).catch((error) => error)
  const ready = () =>
    fetch(`http://127.0.0.1:${port}/ready`).then(
      ({ ok }) => ok,
      () => false,
    )
  await until('the service is ready', async () => {
    const early = await Promise.race([service, ready()])
    if (typeof early === 'boolean') return early
    throw early
  })
  controller.abort()
  await service

  const without = { NODE_ENV: '', DATABASE_URL: '' }
  t.match(
    await failure(npm(['start'], without)),
    /^DATABASE_URL must be set, because the embedded database is not /,
  )
  rmSync(join(copy, 'dist'), { recursive: true })
  t.match(
    await failure(npm(['start'])),
    /^The service is not built: run npm ci --include=dev && npm run build/,
  )
  t.match(await failure(npm(['run', 'db:audit'])), /^The service is not built: /)
  const unknown = await run(process.execPath, ['src/run.mjs', 'stop'], { cwd: copy }).catch((error) => error)
  t.match(unknown.stderr, /^The command must be one of start, /)
})
