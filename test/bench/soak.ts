import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../support/free-port.ts'
import { live } from './life.ts'
import { median } from './load.ts'
import { startServer } from './memory.ts'
import { conclude, judge } from './report.ts'
import { type Database, withDatabase } from './service.ts'

// Mixed load on the production build for ten minutes, or for as many seconds as are given: what it holds must not
// grow. Reads /proc, so it runs on Linux. The first tenth of the time is to warm up, and not judged.

const SECONDS = Number(process.argv[2] ?? 600)
const USERS = 8
const POOL_SIZE = 5
const SAMPLES = 60

interface Sample {
  requests: number
  memory: number
  heap: number
  files: number
  handles: number
  connections: number
  locks: number
  idle_in_transaction: number
  dead_tuples: number
}

async function look(
  admin: Database['admin'],
  pid: number,
  metrics: string,
  requests: number,
): Promise<Sample> {
  const text = await (await fetch(metrics)).text()
  const figure = (name: string) => Number(new RegExp(`^${name} (\\S+)`, 'm').exec(text)?.[1])
  const [row] = await admin<Pick<Sample, 'connections' | 'locks' | 'idle_in_transaction' | 'dead_tuples'>[]>`
    select count(*)::int as connections,
      count(*) filter (where state like 'idle in transaction%')::int as idle_in_transaction,
      (select count(*)::int from pg_locks l join pg_stat_activity a using (pid) where a.application_name = 'todo-api')
        as locks,
      (select sum(n_dead_tup)::int from pg_stat_user_tables) as dead_tuples
    from pg_stat_activity where application_name = 'todo-api'`
  if (!row) throw new Error('There is no row.')
  return {
    requests,
    memory: Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024,
    heap: figure('nodejs_heap_size_used_bytes') / 2 ** 20,
    files: readdirSync(`/proc/${pid}/fd`).length,
    handles: figure('nodejs_active_handles_total'),
    ...row,
  }
}

const tell = (cells: readonly unknown[]) =>
  process.stdout.write(`${cells.map((cell) => String(cell).padStart(12)).join('')}\n`)

async function soak(database: Database): Promise<void> {
  const { admin } = database
  // Often enough that a short run sees it too.
  await admin`alter system set autovacuum_naptime = '5s'`
  await admin`select pg_reload_conf()`
  const ADMIN_PORT = `${await freePort()}`
  const { url, pid, stop } = await startServer(database, {
    ADMIN_PORT,
    LOG_LEVEL: 'warn',
    DATABASE_POOL_SIZE: `${POOL_SIZE}`,
    // Patience, on a machine that does other things too: here every answer has to be the expected one.
    POOL_TIMEOUT_MS: '10000',
    TRANSACTION_TIMEOUT_MS: '10000',
  })
  const metrics = `http://127.0.0.1:${ADMIN_PORT}/metrics`
  let requests = 0
  let over = false
  const strange: string[] = []
  const user = async () => {
    while (!over) await live(url, () => requests++).catch(({ message }) => strange.push(`${message}`))
  }
  const users = Promise.all(Array.from({ length: USERS }, user))
  const samples: Sample[] = []
  const see = async () => look(admin, Number(pid), metrics, requests)
  for (let n = 0; n < SAMPLES; n++) {
    await sleep((SECONDS * 1000) / SAMPLES)
    const sample = await see()
    if (n === 0) tell(['seconds', ...Object.keys(sample)])
    samples.push(sample)
    if (n % 6 === 5)
      tell([Math.round((SECONDS * (n + 1)) / SAMPLES), ...Object.values(sample).map(Math.round)])
  }
  over = true
  await users
  // What those who hung up last have left, and the connections of clients that are kept for a next request.
  await sleep(2000)
  const rest = await see()
  await stop()

  const judged = samples.slice(SAMPLES / 10)
  const third = judged.length / 3
  const [first, last] = [judged.slice(0, third), judged.slice(-third)]
  const compare = (target: string, name: keyof Sample, factor: number, slack: number, of = median) => {
    const [before, after] = [first, last].map((part) => of(part.map((sample) => sample[name]))) as [
      number,
      number,
    ]
    judge(target, after <= before * factor + slack, `${before.toFixed(0)} and ${after.toFixed(0)}`)
  }
  judge('every answer is the expected one', strange.length === 0, `${requests}, ${strange.length} strange`)
  for (const text of new Set(strange.slice(0, 5))) process.stdout.write(`${text}\n`)
  compare('resident memory, MB, does not grow', 'memory', 1.1, 5)
  // Its floor: what is above may be garbage.
  compare('nor does the heap, MB, at its lowest', 'heap', 1.2, 5, (values) => Math.min(...values))
  compare('nor do open files', 'files', 1, 4)
  compare('nor do handles', 'handles', 1, 4)
  compare('nor do dead tuples', 'dead_tuples', 1.5, 2000)
  compare('nor do locks', 'locks', 1.5, 20)
  const most = Math.max(...samples.map(({ connections }) => connections))
  judge(
    'there are never more connections than the pool may have',
    most <= POOL_SIZE,
    `${most} of ${POOL_SIZE}`,
  )
  const { locks, idle_in_transaction: idle } = rest
  judge('no lock and no transaction is left', locks + idle === 0, `${locks} and ${idle}`)
}

await withDatabase(soak)
conclude()
