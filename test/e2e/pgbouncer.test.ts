import { execFileSync } from 'node:child_process'
import t, { type Test } from 'tap'
import type { Tx } from '../../src/database/transaction.ts'
import { askWith, createApp, signUp } from '../support/app.ts'
import { cloneDatabase } from '../support/clone-database.ts'
import { credentialOf } from '../support/credential-of.ts'
import { findProgram, needs } from '../support/external-programs.ts'
import { startPooler } from '../support/pooler.ts'

const CLIENTS = 20
const TRANSACTIONS = 200

/** What a client sends next, and what must come of it. */
type Kind = 'write' | 'read' | 'error' | 'rollback' | 'timeout' | 'nobody' | 'request'
const kinds: Kind[] = ['write', 'read', 'error', 'write', 'request', 'rollback', 'nobody', 'write', 'read']

async function keepApart(t: Test, DATABASE_PREPARE: 'true' | 'false') {
  const database = await cloneDatabase(t)
  const { username, pathname } = new URL(database.url)
  // A startup parameter would not reach the server that PgBouncer lends: the timeout is the role's.
  await database.admin.unsafe(
    `alter role ${username} in database ${pathname.slice(1)} set statement_timeout = '1s'`,
  )
  const url = await startPooler(t, database.url)
  const env = { DATABASE_PREPARE, DATABASE_POOL_SIZE: String(CLIENTS), POOL_TIMEOUT_MS: '10000' }
  const app = await createApp(t, { url }, env)

  const write = (tx: Tx, title: string) =>
    tx`insert into todos (id, title, folded_title) values (gen_random_uuid(), ${title}, ${title}) returning user_id`
  const client = async (index: number) => {
    const user = await signUp(app)
    const credential = credentialOf(user.token)
    const withUser = <T>(run: (tx: Tx) => Promise<T>) => app.database.withUser(credential, 'read write', run)
    let written = 0
    const own = (rows: readonly { user_id?: string }[]) => rows.every(({ user_id }) => user_id === user.id)
    const run: Record<Kind, (title: string) => Promise<boolean>> = {
      write: async (title) => own(await withUser((tx) => write(tx, title))) && ++written > 0,
      read: async () => {
        const rows = await withUser((tx) => tx<{ user_id: string }>`select user_id from todos`)
        return rows.length === written && own(rows)
      },
      request: async () => {
        const answer = await user.ask('GET', '/todos?limit=1&count=exact')
        return answer.statusCode === 200 && answer.json().total === written
      },
      error: (title) =>
        withUser((tx) => Promise.all([write(tx, title), tx`select 1 / 0`])).then(
          () => false,
          ({ code }) => code === '22012',
        ),
      rollback: (title) =>
        withUser(async (tx) => {
          await write(tx, title)
          throw new Error('changed my mind')
        }).then(
          () => false,
          ({ message }) => message === 'changed my mind',
        ),
      timeout: (title) =>
        withUser((tx) => Promise.all([write(tx, title), tx`select pg_sleep(30)`])).then(
          () => false,
          ({ code }) => code === '57014',
        ),
      nobody: async () => {
        const [row] = await app.database.withoutUser(
          (tx) => tx<{ id: string | null; seen: number }>`
            select app.user_id() as id, (select count(*)::integer from todos) as seen`,
        )
        return row?.id === null && row.seen === 0
      },
    }
    const wrong: string[] = []
    for (let n = 0; n < TRANSACTIONS; n++) {
      // The clients are out of step with each other, and each meets the timeout once or twice.
      const kind = n % 100 === index ? 'timeout' : (kinds[(n + index) % kinds.length] as Kind)
      if (!(await run[kind](`${index}.${n}`))) wrong.push(`${kind} ${n} of client ${index}`)
    }
    return { id: user.id, written, wrong }
  }

  const clients = await Promise.all(Array.from({ length: CLIENTS }, (_, index) => client(index)))
  t.same(
    clients.flatMap(({ wrong }) => wrong),
    [],
    `${CLIENTS * TRANSACTIONS} transactions`,
  )
  const kept = await database.admin<{ id: string; written: number }[]>`
    select user_id as id, count(*)::integer as written from todos group by user_id`
  t.same(
    new Map(kept.map(({ id, written }) => [id, written])),
    new Map(clients.map(({ id, written }) => [id, written])),
    'what was told as written is there, and nothing else',
  )
  const [left] = await database.admin`
    select count(*) filter (where state like 'idle in transaction%')::integer as open, count(*)::integer as connections
    from pg_stat_activity where usename = ${username} and datname = current_database()`
  t.equal(left?.open, 0, 'no transaction is left open')
  t.ok(left?.connections <= 4, 'twenty clients share four connections')
}

const program = findProgram('pgbouncer')
const version = program ? execFileSync(program, ['--version'], { encoding: 'utf8' }) : ''
/** From 1.21 on it keeps the prepared statements of its clients apart. */
const keepsPrepared = !/^PgBouncer 1\.(\d|1\d|20)\./.test(version)

t.test('keeps users apart behind PgBouncer, and loses no answer', needs('pgbouncer'), async (t) => {
  await keepApart(t, 'false')
  if (keepsPrepared) await keepApart(t, 'true')
})

t.test(
  'never runs another statement behind a PgBouncer that mixes them up',
  needs('pgbouncer'),
  async (t) => {
    const database = await cloneDatabase(t)
    const users = await createApp(t, database)
    const app = await createApp(t, { url: await startPooler(t, database.url) }, { DATABASE_PREPARE: 'true' })
    const one = async () => {
      const user = await signUp(users)
      const ask = askWith(app, user.token)
      const answers = []
      for (let n = 0; n < 40; n++) {
        answers.push(await ask('POST', '/todos', { title: user.email }))
        answers.push(await ask('GET', '/todos'))
      }
      const { length: kept } = answers.filter(({ statusCode }) => statusCode === 201)
      return {
        user,
        kept,
        strange: answers.filter(({ statusCode }) => ![200, 201].includes(statusCode)),
      }
    }
    const all = await Promise.all(Array.from({ length: CLIENTS }, one))
    t.same(
      all.flatMap(({ strange }) => strange.map(({ body }) => body)),
      [],
      'what PgBouncer has lost is parsed again',
    )
    const rows = await database.admin<{ id: string; kept: number; own: boolean }[]>`
    select u.id, count(*)::int as kept, bool_and(title = email) as own
    from users u join todos on user_id = u.id group by u.id`
    t.ok(
      all.every(({ user, kept }) => rows.some((row) => row.id === user.id && row.kept === kept && row.own)),
      'and what was told as written is there',
    )
    t.ok(all.every(({ kept }) => kept > 0))
  },
)
