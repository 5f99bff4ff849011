import t from 'tap'
import { loadConfig } from '../../src/config.ts'
import type { Tx } from '../../src/database/transaction.ts'
import { askWith, createApp, setUp, signUp, type TestUser, testing } from '../support/app.ts'
import { credentialOf } from '../support/credential-of.ts'
import { until } from '../support/until.ts'

const { app, database } = await setUp(t, { LOCK_TIMEOUT_MS: '60000' })
const login = new URL(database.url).username
type Sql = Parameters<Parameters<typeof database.admin.begin>[1]>[0]

/** Waits until so many statements of the API wait for a lock. */
async function waiting(count: number) {
  const list = () => database.admin`
    select from pg_stat_activity
    where usename = ${login} and datname = current_database() and wait_event_type = 'Lock'`
  await until(`${count} statements wait for a lock`, async () => (await list()).length >= count)
}

/** Two todos of a user, the smaller id first, of which the first is stored last. */
async function makeTodos(user: TestUser): Promise<[string, string]> {
  const make = async () => (await user.ask('POST', '/todos', { title: 'a', completed: true })).json().id
  const [first, second] = [await make(), await make()]
  await user.ask('PATCH', `/todos/${first}`, { title: 'b' })
  return [first, second]
}
const isFree = (sql: Sql, id: string) => sql`select from todos where id = ${id} for update nowait`
const batch = (user: TestUser, ids: string[], todo: object) =>
  user.ask('POST', '/todos/batch', { operations: ids.map((id) => ({ op: 'update', id, todo })) })

t.test(
  'locks the todos of a write by id, so that opposite batches and bulk deletes both succeed',
  async (t) => {
    const operations = (ids: string[]) => ids.map((id) => ({ op: 'delete', id }))
    const writes: Record<string, (user: TestUser, ids: [string, string]) => ReturnType<TestUser['ask']>> = {
      'a batch of updates': (user, [first, second]) => batch(user, [second, first], { title: 'c' }),
      'a batch of deletes': (user, [first, second]) =>
        user.ask('POST', '/todos/batch', { operations: operations([second, first]) }),
      'the deletion of all': (user) => user.ask('DELETE', '/todos?all=true'),
      'the deletion of some': (user) => user.ask('DELETE', '/todos?completed=true'),
    }
    for (const [name, write] of Object.entries(writes)) {
      const user = await signUp(app)
      const ids = await makeTodos(user)
      const [before, after] = await database.admin.begin(async (sql) => {
        await sql`select from todos where id = ${ids[0]} for update`
        const forward = batch(user, ids, { completed: false })
        await waiting(1)
        const backward = write(user, ids)
        await waiting(2)
        await t.resolves(isFree(sql, ids[1]), `${name} locks nothing before the smaller id`)
        return [forward, backward].map((answer) => ({ answer }))
      })
      t.equal((await before?.answer)?.statusCode, 200, name)
      t.equal((await after?.answer)?.statusCode, 200, name)
    }
  },
)

t.test('runs the loser of a deadlock again', async (t) => {
  const [user, { pathname }] = [await signUp(app), new URL(database.url)]
  const ids = await makeTodos(user)
  // The API's side notices first, and late enough that the other side waits by then.
  await database.admin.unsafe(
    `alter role ${login} in database ${pathname.slice(1)} set deadlock_timeout = '3s'`,
  )
  const own = await createApp(t, database, { LOCK_TIMEOUT_MS: '60000' })
  const same = { ...user, ask: askWith(own, user.token) }
  const { answer } = await database.admin.begin(async (sql) => {
    await sql`set local deadlock_timeout = '60s'`
    await sql`select from todos where id = ${ids[1]} for update`
    const answer = batch(same, ids, { title: 'c' })
    await waiting(1)
    await sql`update todos set position = 7 where id = ${ids[0]}`
    return { answer }
  })
  const { statusCode, body } = await answer
  t.equal(statusCode, 200, body)
  t.match(JSON.parse(body).results, [{ todo: { title: 'c', position: 7 } }, { todo: { title: 'c' } }])
})

t.test(
  'runs a transaction that PostgreSQL rolled back because of another once more, and only once',
  async (t) => {
    const user = await signUp(app)
    const credential = credentialOf(user.token)
    for (const code of ['40001', '40P01']) {
      await database.admin.unsafe(`
      create or replace function public.fail() returns void language plpgsql as $$
      begin raise exception 'told by a test' using errcode = '${code}'; end $$`)
      let runs = 0
      const failing = (times: number) => async (tx: Tx) => {
        const [{ id } = { id: '' }] = await tx<{ id: string }>`
        insert into todos (id, title, folded_title) values (gen_random_uuid(), ${code}, ${code}) returning id`
        if (++runs <= times) await tx`select public.fail()`
        return id
      }
      const id = await app.database.withUser(credential, 'read write', failing(1))
      t.equal(runs, 2)
      t.same([...(await database.admin`select id from todos where title = ${code}`)], [{ id }], 'done once')
      await t.rejects(app.database.withUser(credential, 'read write', failing(9)), { code })
      t.equal(runs, 4)
      await t.rejects(
        app.database.withoutUser((tx) => {
          runs++
          return tx`select public.fail()`
        }),
        { code },
      )
      t.equal(runs, 6)
    }
  },
)

t.test('waits longer for a lock by default than PostgreSQL takes to notice a deadlock', async (t) => {
  const [row] =
    await database.admin`select setting::integer as ms from pg_settings where name = 'deadlock_timeout'`
  t.ok(loadConfig({ ...testing, DATABASE_URL: database.url }).LOCK_TIMEOUT_MS > row?.ms)
})
