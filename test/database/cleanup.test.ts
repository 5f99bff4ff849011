import { randomUUID } from 'node:crypto'
import t from 'tap'
import { createTodo } from '../../src/todos/sql.ts'
import { createApp, logIn, setUp, signUp } from '../support/app.ts'
import { credentialOf } from '../support/credential-of.ts'
import { until } from '../support/until.ts'

const { app, database } = await setUp(t)
const { admin } = database

t.test('removes expired rows only', async (t) => {
  const user = await signUp(app)
  await logIn(app, user.email)
  const ids: string[] = []
  for (let n = 0; n < 3; n++)
    ids.push((await user.ask('POST', '/tokens', { name: String(n), scopes: ['account'] })).json().id)
  const [expired] = (await user.ask('GET', '/me/sessions')).json().data
  await admin`update identity.sessions set expires_at = now() - interval '1 second' where id = ${expired.id}`
  await admin`
    update identity.access_tokens set created_at = now() - interval '1 year', expires_at = now() - interval '31 days'
    where id = ${ids[0] ?? ''}`
  await admin`
    update identity.access_tokens set created_at = now() - interval '1 year', expires_at = now() - interval '29 days'
    where id = ${ids[1] ?? ''}`
  await admin`update identity.events set created_at = now() - interval '2 years' where kind = 'token_created'`
  await admin`
    insert into identity.refresh_tokens (user_id, hash, session_id, expires_at)
    select user_id, sha256(n::text::bytea), id, now() - interval '1 second'
    from identity.sessions, generate_series(1, 700) n where user_id = ${user.id} and id <> ${expired.id}`
  t.equal(await app.removeExpired(), 1 + 1 + 3 + 700, 'in as many batches as it takes')
  const [left] = await admin`
    select (select count(*)::int from identity.sessions) as sessions,
           (select count(*)::int from identity.refresh_tokens) as refresh_tokens,
           (select count(*)::int from identity.access_tokens) as tokens,
           (select count(*)::int from identity.events) as events`
  t.same(left, { sessions: 1, refresh_tokens: 1, tokens: 2, events: 2 })
  t.equal(await app.removeExpired(), 0)
  t.equal((await user.ask('GET', '/me')).statusCode, 200)
})

t.test('removes every row once when two replicas run at once', async (t) => {
  const user = await signUp(app)
  await admin`update identity.sessions set expires_at = now() - interval '1 second' where user_id = ${user.id}`
  const replica = await createApp(t, database)
  const removed = await Promise.all([app.removeExpired(), replica.removeExpired()])
  t.equal(removed[0] + removed[1], 1)
})

t.test(
  'deletes an account without foreign keys, and later what a write left that committed after it',
  async (t) => {
    // As on a sharded database.
    const { app, database } = await setUp(t)
    for (const table of ['todos', 'idempotency_keys', 'todo_changes'])
      await database.admin`alter table ${database.admin(table)} drop constraint ${database.admin(`${table}_user_id_fkey`)}`
    const [ada, bob] = [await signUp(app), await signUp(app)]
    for (const user of [ada, bob])
      await user.ask('POST', '/todos', { title: 'a' }, { 'idempotency-key': 'a' })
    const countRows = async () => {
      const rows = await database.admin`
      select user_id from todos union all select user_id from idempotency_keys`
      return [ada, bob].map(({ id }) => rows.filter(({ user_id }) => user_id === id).length)
    }
    t.same(await countRows(), [2, 2])
    await app.database.withUser(credentialOf(ada.token), 'read write', async (tx) => {
      await tx`select 1`
      t.equal((await ada.ask('DELETE', '/me')).statusCode, 204)
      t.same(await countRows(), [0, 2])
      return createTodo(tx, randomUUID(), { title: 'late' })
    })
    t.same(await countRows(), [1, 2])
    // Deletes what is stored, but not the account, as no handler does.
    await app.database.withUser(
      credentialOf(bob.token),
      'read write',
      (tx) => tx`select app.delete_content()`,
    )
    await bob.ask('POST', '/todos', { title: 'b' })
    t.equal(await app.removeExpired(), 0, 'not while a write that began before may still run')
    await database.admin`update identity.deleted_users set deleted_at = now() - interval '2 hours'`
    t.equal(await app.removeExpired(), 3, 'the row, and the records of both accounts')
    t.same(await countRows(), [0, 1], 'nothing of an account that exists')
  },
)

t.test('runs when the service starts, and a lost database does not stop it', async (t) => {
  const user = await signUp(app)
  await admin`update identity.sessions set expires_at = now() - interval '1 second' where user_id = ${user.id}`
  const started = await createApp(t, database)
  const lost = await createApp(t, { url: 'postgres://nobody:x@127.0.0.1:1/none' })
  await started.listen({ port: 0, host: '127.0.0.1' })
  await lost.listen({ port: 0, host: '127.0.0.1' })
  const sessions = () => admin`select from identity.sessions where user_id = ${user.id}`
  await until('the expired session is removed', async () => (await sessions()).length === 0)
  t.equal((await fetch(`${lost.listeningOrigin}/health`)).status, 200)
})
