import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { createApp, signUp } from '../../support/app.ts'
import { cloneDatabase } from '../../support/clone-database.ts'
import { needs, startProgram } from '../../support/external-programs.ts'
import { freePort } from '../../support/free-port.ts'
import { JWT_SECRET, start } from '../../support/service-process.ts'
import { until } from '../../support/until.ts'
import { checkWrites, startLoad } from './load.ts'

const haproxy = (port: number, statsPort: number, replicas: number[]) => `
defaults
  mode http
  timeout connect 2s
  timeout client 30s
  timeout server 30s
  timeout check 2s
frontend public
  bind 127.0.0.1:${port}
  default_backend api
frontend stats
  bind 127.0.0.1:${statsPort}
  stats enable
  stats uri /
backend api
  balance roundrobin
  option httpchk GET /ready
  default-server check inter 100ms fall 1 rise 1
${replicas.map((replica, index) => `  server replica${index} 127.0.0.1:${replica}`).join('\n')}
`

/** What a next version may do: add to tables, and replace what the version before uses by something compatible. */
const migration = `-- migrate:up
alter table todos add column colour text not null default 'none'
  constraint todos_colour_length check (char_length(colour) <= 20);
grant select (colour), insert (colour), update (colour) on todos to todo_api;
drop policy todos_select_own on todos;
create policy todos_select_own on todos for select to todo_api using (user_id = app.user_id());
comment on policy todos_select_own on todos is 'Users see their own todos only.';
-- migrate:down
alter table todos drop column colour;
`

/** A copy of the build with one more migration. @returns its folder */
function makeNextVersion(t: Test): string {
  const copy = realpathSync(mkdtempSync(join(tmpdir(), 'todo-api-test-')))
  t.teardown(() => rmSync(copy, { recursive: true }))
  for (const name of ['src', 'db', 'dist', 'package.json'])
    cpSync(name, join(copy, name), { recursive: true })
  symlinkSync(realpathSync('node_modules'), join(copy, 'node_modules'))
  writeFileSync(join(copy, 'db/migrations/20991231000000_next.sql'), migration)
  return copy
}

t.test('upgrades two replicas one after the other, and no request fails', needs('haproxy'), async (t) => {
  const database = await cloneDatabase(t)
  const next = makeNextVersion(t)
  const { token } = await signUp(await createApp(t, database))
  const ports = [await freePort(), await freePort()]
  const cwd = t.testdir()
  const run = (port: number, version = process.cwd()) =>
    start(t, { DATABASE_URL: database.url, JWT_SECRET, HOST: '127.0.0.1', PORT: `${port}` }, cwd, version)
  const replicas = ports.map((port) => run(port))
  const early = run(await freePort(), next)
  for (const { ready } of replicas) await ready()
  const [port, statsPort] = [await freePort(), await freePort()]
  await startProgram(t, 'haproxy', port, ['-db', '-f', '%/haproxy.cfg'], {
    'haproxy.cfg': haproxy(port, statsPort, ports),
  })
  const api = `http://127.0.0.1:${port}`
  await until('HAProxy has found a replica', async () => (await fetch(`${api}/ready`)).status === 200)
  /** Whether HAProxy sends requests to both replicas. */
  const isBalanced = async () => {
    const table = await (await fetch(`http://127.0.0.1:${statsPort}/;csv`)).text()
    return table.match(/^api,replica\d,.*,UP,/gm)?.length === ports.length
  }
  await until('HAProxy uses both replicas', isBalanced)
  t.equal(await early.ended, 1, 'the new version does not start before its migration')
  t.match(early.said.err, 'The migration 20991231000000 has not been applied: run npm run db:migrate.')
  const load = startLoad(() => api, token)
  await load.more(50)
  const env = { ...process.env, MIGRATION_DATABASE_URL: database.ownerUrl }
  await promisify(execFile)(process.execPath, ['src/run.mjs', 'migrate'], { cwd: next, env })
  await load.more(50)
  t.same([...new Set(load.answers('/ready'))], [200], 'the old version stays ready')
  for (const [index, replica] of replicas.entries()) {
    await load.more(100)
    replica.server.kill('SIGTERM')
    t.equal(await replica.ended, 0)
    await run(ports[index] as number, next).ready()
    await until('HAProxy uses the replica again', isBalanced)
  }
  await load.more(100)
  await load.stop()
  t.same(
    load.writes.filter(({ status }) => status !== 201),
    [],
    'every write is answered with 201',
  )
  // Until HAProxy has asked it, /ready of the one that leaves truthfully says no.
  t.same([...new Set(load.answers('/health'))], [200])
  await checkWrites(t, database, load.writes)
})
