import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { loadConfig } from '../../../src/config.ts'
import { ApiError, problemCodes } from '../../../src/http/errors.ts'
import { setUp, signUp } from '../../support/app.ts'
import { findProgram, needs } from '../../support/external-programs.ts'
import { readBlocks } from '../../support/markdown.ts'

// What the pages in docs say beside their commands: variables, error codes and figures that stand in two places.

const read = (file: string) => readFileSync(file, 'utf8')
const api = read('docs/api.md')
const operations = read('docs/operations.md')
const config = loadConfig({ DATABASE_URL: 'postgres://nobody@localhost/x', JWT_SECRET: 'x'.repeat(32) })
const defaults = config as unknown as Record<string, unknown>

t.test('every variable of the configuration is in the table, with its default', async (t) => {
  const names = [...read('src/config.ts').matchAll(/^ {2}([A-Z][A-Z_]+): /gm)].map(([, name]) => `${name}`)
  t.ok(names.length > 40)
  for (const name of names) {
    const rows = operations
      .split('\n')
      .filter((row) => /^\|[^|]*\|[^|]*\|/.exec(row)?.[0].includes(`\`${name}\``))
    t.equal(rows.length > 0, true, name)
    const [, first = '', second = '', third = ''] = rows[0]?.split('|') ?? []
    const inFirst = first.includes(name)
    const index = (inFirst ? first : second).split(',').findIndex((part) => part.includes(name))
    const values = (inFirst ? second : third).split(',').map((value) => value.trim().replace(/ .*/, ''))
    const value = values[index] ?? values[0]
    // The issuer and the audience share one.
    if (typeof defaults[name] === 'number' || typeof defaults[name] === 'boolean')
      t.equal(value, String(defaults[name]), name)
  }
})

t.test('every error code is in the table, with its status', async (t) => {
  const rows = [...api.matchAll(/^\| (\d{3}) \| ([^|]+) \| ([^|]+) \|$/gm)]
  const listed = rows.flatMap(([, status, codes = '']) =>
    [...codes.matchAll(/`(\w+)`/g)].map(([, code]) => `${status} ${code}`),
  )
  const expected = problemCodes.map((code) => `${new ApiError(code).statusCode} ${code}`)
  t.same(listed.sort(), expected.sort())
})

t.test('the limits of docs/api.md are the defaults', async (t) => {
  const [, ...quotas] =
    /\/register` takes (\d+) requests a minute .* (\d+) from an address and (\d+) for .* ([\d,]+) from/.exec(
      api,
    ) ?? []
  t.same(
    quotas.map((quota) => Number(quota.replace(',', ''))),
    [
      config.RATE_LIMIT_REGISTER,
      config.RATE_LIMIT_LOGIN,
      config.RATE_LIMIT_LOGIN_ACCOUNT,
      config.RATE_LIMIT_API,
    ],
  )
  t.equal(Number(/expires after (\d+) minutes/.exec(api)?.[1]) * 60, config.ACCESS_TOKEN_TTL)
  t.equal(Number(/expires after (\d+) minutes/.exec(read('README.md'))?.[1]) * 60, config.ACCESS_TOKEN_TTL)
})

t.test('the measured throughput is that of docs/bench.json', async (t) => {
  const { targets } = JSON.parse(read('docs/bench.json')) as { targets: { figures: string }[] }
  const figures = targets.map((target) => target.figures).join('\n')
  const measured = [...operations.matchAll(/([\d,]+) `(?:GET|POST) \/todos`/g)].map(
    ([, figure = '']) => figure,
  )
  t.equal(measured.length, 2)
  for (const figure of measured) t.ok(figures.includes(`${figure.replace(',', '')} (`), figure)
})

t.test('a pooler sets the timeouts that the API would set', async (t) => {
  const expected = [config.STATEMENT_TIMEOUT_MS, config.LOCK_TIMEOUT_MS, config.IDLE_TIMEOUT_MS]
  for (const file of ['compose.yaml', 'db/migrations/README.md']) {
    const text = read(file)
    const set = ['statement', 'lock', 'idle_in_transaction_session'].map((name) =>
      Number(new RegExp(`set ${name}_timeout = (?:'|\\$\\{\\w+:-)(\\d+)`).exec(text)?.[1]),
    )
    t.same(set, expected, file)
  }
})

t.test('the systemd unit runs the command of npm start, and is confined', async (t) => {
  const unit = read('docs/todo-api.service')
  const valuesOf = (name: string) =>
    [...unit.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value]) => value)
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  t.same(valuesOf('ExecStart'), [`/usr/bin/${scripts.start}`])
  t.same(valuesOf('Environment'), ['NODE_ENV=production'])
  t.ok(Number(valuesOf('TimeoutStopSec')[0]) * 1000 > config.SHUTDOWN_DELAY_MS + config.SHUTDOWN_GRACE_MS)
  t.ok(Number(valuesOf('LimitNOFILE')[0]) > config.MAX_CONNECTIONS)
  const program = findProgram('systemd-analyze')
  if (!program) return
  // It checks that the program exists, wherever Node is here.
  const copy = join(
    t.testdir({ 'todo-api.service': unit.replace('/usr/bin/node', process.execPath) }),
    'todo-api.service',
  )
  const analyze = (...args: string[]) => promisify(execFile)(program, [...args, copy])
  t.equal((await analyze('verify')).stderr, '')
  const { stdout } = await analyze('security', '--offline=true', '--threshold=20')
  t.match(stdout, /Overall exposure level .*: [01]\.\d OK/)
})

t.test('the loops of docs/api.md read every page', needs('bash', 'curl', 'python3'), async (t) => {
  const { app, database } = await setUp(t)
  const { id, token } = await signUp(app)
  await database.admin`
    insert into todos (user_id, id, title) select ${id}, gen_random_uuid(), 'todo ' || n from generate_series(1, 205) n`
  const env = { ...process.env, API: await app.listen({ port: 0, host: '127.0.0.1' }), TOKEN: token }
  const programs: Record<string, string[]> = {
    sh: ['bash', '-euc'],
    js: [process.execPath, '--input-type=module', '--eval'],
    python: ['python3', '-c'],
  }
  const loops = readBlocks('docs/api.md').filter(({ language }) => language in programs)
  t.equal(loops.length, 4)
  for (const { language, text } of loops) {
    const [program = '', ...args] = programs[language] ?? []
    const { stdout } = await promisify(execFile)(program, [...args, text], { env })
    t.equal(new Set(stdout.trim().split('\n')).size, 205, language)
  }
})
