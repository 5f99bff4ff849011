import { median, type Rounds } from './load.ts'
import { chart, judge, progress } from './report.ts'
import { type Database, startApi } from './service.ts'

const COUNT = 2000
const NOTE = Array.from({ length: 10_000 / 8 }, (_, n) =>
  (n * 2654435761).toString(16).slice(-8).padStart(8, '0'),
).join('')

/** The bytes of write-ahead log that requests cause, and the size of the table and its index. */
export async function measureWrites(database: Database): Promise<void> {
  progress('writes')
  const own = await database.clone('writes')
  const { admin } = own
  const api = await startApi(own)
  const token = await api.signUp('writes@example.com')
  /** Bytes for each of some writes, without the whole pages that follow a checkpoint. */
  const measureWal = async (writes: number, work: () => Promise<unknown>): Promise<number> => {
    const [before] = await admin`select pg_current_wal_insert_lsn() as at`
    await work()
    const [row] = await admin`select pg_current_wal_insert_lsn() - ${before?.at}::pg_lsn as bytes`
    return Number(row?.bytes) / writes
  }
  const insert = (table: string) => admin`
    insert into ${admin(table)} (user_id, id, title, folded_title)
    select (select id from users), uuidv7(), title, lower(title)
    from generate_series(1, ${COUNT}) n, concat('Water the plants ', n) title`

  /** With its entry in the log of changes, as the API writes it. */
  const insertLogged = () => admin`
    with written as (
      insert into todos (user_id, id, title, folded_title)
      select (select id from users), uuidv7(), title, lower(title)
      from generate_series(1, ${COUNT}) n, concat('Water the plants ', n) title
      returning user_id, id, version
    )
    insert into todo_changes (user_id, todo_id, version) select user_id, id, version from written`

  await admin`create table bare (like todos including defaults)`
  const wal: Rounds = { 'POST, no index': [], POST: [], 'POST, logged': [] }
  for (let round = 0; round < 5; round++) {
    await admin`checkpoint`
    // The first pages are written whole.
    for (const table of ['bare', 'todos']) await insert(table)
    wal['POST, no index']?.push(await measureWal(COUNT, () => insert('bare')))
    wal.POST?.push(await measureWal(COUNT, () => insert('todos')))
    await insertLogged()
    wal['POST, logged']?.push(await measureWal(COUNT, insertLogged))
  }
  const { id } = await api.ask('POST', '/todos', { title: 'a', notes: NOTE }, token)
  for (const patch of [{ completed: true }, { title: 'b' }, { position: 7 }]) {
    const change = () => api.ask('PATCH', `/todos/${id}`, patch, token)
    await change()
    const name = `PATCH of ${Object.keys(patch)}`
    wal[name] = []
    for (let round = 0; round < 5; round++) wal[name].push(await measureWal(1, change))
  }
  await admin`vacuum analyze todos`
  const [sizes] = await admin<{ rows: string; indexes: string }[]>`
    select pg_table_size('todos') as rows, pg_indexes_size('todos') as indexes`
  await api.stop()
  chart('writes', 'Write-ahead log of a request', 'bytes', wal)
  const bytes = (name: string) => median(wal[name] ?? [])
  const ratio = bytes('POST') / bytes('POST, no index')
  const logged = bytes('POST, logged') / bytes('POST, no index')
  judge(
    'A new todo writes at most 1.6 times the WAL of a table without indexes',
    ratio <= 1.6,
    ratio.toFixed(2),
  )
  judge('With its entry in the log of changes, at most 3 times', logged <= 3, logged.toFixed(2))
  const most = Math.max(
    ...Object.keys(wal)
      .filter((name) => name.startsWith('PATCH'))
      .map(bytes),
  )
  judge('A PATCH of a todo with a note of 10 kB writes less than 1 kB of WAL', most < 1000, `${most} bytes`)
  const share = Number(sizes?.indexes) / Number(sizes?.rows)
  judge('Indexes take at most 1.2 times the bytes of the table', share <= 1.2, share.toFixed(2))
}
