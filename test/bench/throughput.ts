import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { credentialOf } from '../support/credential-of.ts'
import { findProgram } from '../support/external-programs.ts'
import { interleave, load, median, tell } from './load.ts'
import { chart, judge, progress } from './report.ts'
import { type Database, startApi } from './service.ts'

const columns =
  'id, title, notes, completed, completed_at, due_at, priority, tags, position, version, created_at, updated_at'

/**
 * What row-level security and its transaction cost: GET /todos as it is, with the bare query of the table's owner
 * in their place, and with the answer from memory, all behind the same hooks; and the same four messages without
 * any of Node, sent by pgbench.
 */
export async function measureTax(database: Database): Promise<void> {
  progress('the price of row-level security')
  // Only so does it not bind the owner.
  await database.admin`alter table todos no force row level security`
  const [api, bare, memory] = await Promise.all([
    startApi(database, 'api'),
    startApi(database, 'bare'),
    startApi(database, 'memory'),
  ])
  const token = await api.signUp('tax@example.com')
  for (let n = 0; n < 100; n++) await api.ask('POST', '/todos', { title: `todo ${n}` }, token)
  const list = ({ url }: typeof api) => load({ url: `${url}/todos?limit=20`, token })
  const pgbench = await preparePgbench(database, token)
  const rates = await interleave(5, {
    'from memory': () => list(memory),
    'the bare query': () => list(bare),
    'GET /todos': () => list(api),
    ...(pgbench && { 'pgbench alone': pgbench.run }),
  })
  pgbench?.remove()
  await Promise.all([api.stop(), bare.stop(), memory.stop()])
  await database.admin`alter table todos force row level security`
  chart('throughput', 'GET /todos?limit=20', 'requests per second', rates)
  const { 'GET /todos': own = [], 'the bare query': without = [], 'from memory': ceiling = [] } = rates
  const ratio = median(own) / median(without)
  judge(
    'GET /todos has at least 0.75 of the throughput of the bare query',
    ratio >= 0.75,
    `${ratio.toFixed(2)}: ${tell(own)} and ${tell(without)} requests/s; ${(median(own) / median(ceiling)).toFixed(2)} of the answer from memory`,
  )
}

/** pgbench with the four statements in a pipeline; undefined where it is not installed. */
async function preparePgbench({ databaseUrl }: Database, token: string) {
  const program = findProgram('pgbench')
  if (!program) return void progress('pgbench is not installed: the ceiling of the database is left out')
  const folder = mkdtempSync(join(tmpdir(), 'todo-api-bench-'))
  const script = join(folder, 'script.sql')
  const { user_id, session_id, secret } = credentialOf(token)
  writeFileSync(
    script,
    `\\startpipeline
begin read only;
select scopes, use_is_due from app.authenticate('${user_id}', '${session_id}', '\\x${secret.toString('hex')}');
select ${columns} from todos where true order by id desc, id desc limit 21 offset 0;
commit;
\\endpipeline
`,
  )
  const { username, password, hostname, port, pathname } = new URL(databaseUrl)
  const env = { PGUSER: username, PGPASSWORD: password, PGHOST: hostname, PGPORT: port }
  const args = ['--no-vacuum', '--protocol=prepared', '--client=10', '--time=2', `--file=${script}`]
  return {
    async run() {
      const { stdout } = await promisify(execFile)(program, [...args, pathname.slice(1)], {
        env: { ...process.env, ...env },
      })
      return Number(/^tps = ([\d.]+)/m.exec(stdout)?.[1])
    },
    remove: () => rmSync(folder, { recursive: true }),
  }
}

/** Writes with and without Idempotency-Key; and reads from one process and from two. */
export async function measureProcesses(database: Database): Promise<void> {
  progress('idempotent writes; one process and two')
  const [first, second] = await Promise.all([startApi(database), startApi(database)])
  const token = await first.signUp('writes@example.com')
  const url = `${first.url}/todos`
  const write = { url, token, method: 'POST', body: { title: 'a todo' } } as const
  const rates = await interleave(4, {
    'POST /todos': () => load(write),
    'with Idempotency-Key': () => load({ ...write, once: true }),
    'GET, one process': () => load({ url, token }, { connections: 32, duration: 2 }),
    'GET, two processes': async () => {
      const halves = [first, second].map((api) => load({ url: `${api.url}/todos`, token }))
      return (await Promise.all(halves)).reduce((a, b) => a + b)
    },
  })
  await Promise.all([first.stop(), second.stop()])
  chart('processes', 'Kinds of requests', 'requests per second', rates)
  const { 'POST /todos': plain = [], 'with Idempotency-Key': once = [] } = rates
  const ratio = median(once) / median(plain)
  judge(
    'an idempotent write has at least 0.75 of the throughput of a plain one',
    ratio >= 0.75,
    `${ratio.toFixed(2)}: ${tell(once)} and ${tell(plain)} requests/s`,
  )
}
