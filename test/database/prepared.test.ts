import t from 'tap'
import { loadConfig } from '../../src/config.ts'
import { createDatabase } from '../../src/database/database.ts'
import type { Tx } from '../../src/database/transaction.ts'
import { createApp, problem, setUp, signUp, testing } from '../support/app.ts'
import { credentialOf } from '../support/credential-of.ts'
import { begun, fault, one, ready, startFake } from '../support/fake-postgres.ts'

// Statements that the server no longer has, or has with another result than when they were prepared.

const { database } = await setUp(t)
const app = await createApp(t, database, { DATABASE_POOL_SIZE: '1' })
const user = await signUp(app)
const credential = credentialOf(user.token)
const write = <T>(run: (tx: Tx) => Promise<T>) => app.database.withUser(credential, 'read write', run)
await database.admin.unsafe(`
  create function public.forget() returns void language plpgsql as $$ begin execute 'deallocate all'; end $$`)
await database.admin`grant execute on function public.forget() to public`
const deallocate = () => app.database.withoutUser((tx) => tx`select public.forget()`)

t.test(
  'returns the same response after a migration changed a column or prepared statements were lost',
  async (t) => {
    const { id } = (await user.ask('POST', '/todos', { title: 'a' })).json()
    const operations = [{ op: 'update', id, todo: { priority: 1 } }]
    const requests = [
      ['GET', '/todos?count=exact'],
      ['GET', `/todos/${id}`],
      ['GET', '/me'],
      ['POST', '/todos', { title: 'a' }],
      ['PATCH', `/todos/${id}`, { priority: 2 }],
      ['POST', '/todos/batch', { operations }],
      ['POST', '/tokens', { name: 'a', scopes: ['todos:read'] }],
    ] as const
    const types = ['integer', 'smallint']
    const changes = [
      deallocate,
      () => database.admin.unsafe(`alter table todos alter priority type ${types.reverse()[0]}`),
    ]
    for (const [method, url, body] of requests) {
      const { statusCode } = await user.ask(method, url, body)
      for (const change of changes) {
        const before = (await database.admin`select from todos`).length
        await change()
        const answer = await user.ask(method, url, body)
        t.equal(answer.statusCode, statusCode, `${method} ${url}: ${answer.body}`)
        const after = (await database.admin`select from todos`).length
        t.equal(after - before, url === '/todos' && method === 'POST' ? 1 : 0, 'done once')
      }
    }
  },
)

t.test('plans the statements of the common requests once, not for every request', async (t) => {
  await database.admin`
    insert into todos (user_id, id, title) select ${user.id}, gen_random_uuid(), 'a' from generate_series(1, 2000)`
  await database.admin`analyze todos`
  const { id } = (await user.ask('POST', '/todos', { title: 'a' })).json()
  await deallocate()
  for (let n = 0; n < 12; n++) {
    const page = (await user.ask('GET', '/todos')).json()
    await user.ask('GET', `/todos?cursor=${page.next_cursor}`)
    await user.ask('GET', `/todos/${id}`)
    await user.ask('PATCH', `/todos/${id}`, { completed: n % 2 === 0 })
    await user.ask('POST', '/todos', { title: 'a' })
  }
  const statements = await app.database.withoutUser(
    (tx) => tx<{ statement: string; custom_plans: number }>`
      select statement, custom_plans::integer from pg_prepared_statements where statement ~ 'todos'`,
  )
  t.ok(statements.length >= 5)
  // The server tries five plans for actual values before it prefers the prepared one.
  for (const { statement, custom_plans } of statements)
    t.ok(custom_plans <= 5, `${custom_plans}: ${statement}`)
})

t.test('runs work again that had seen results when a later statement is stale', async (t) => {
  let runs = 0
  const run = async (tx: Tx) => {
    const [inserted] =
      await tx`insert into todos (id, title, folded_title) values (gen_random_uuid(), 'seen', 'seen') returning id`
    if (++runs === 2) await tx`select public.forget()`
    const found = await tx`select id from todos where title = 'seen'`
    return { inserted, found }
  }
  await write(run)
  const { inserted, found } = await write(run)
  t.equal(runs, 3)
  t.equal(found.length, 2)
  t.ok(found.some((row) => Object(row).id === Object(inserted).id))
  t.equal((await database.admin`select from todos where title = 'seen'`).length, 2)
})

t.test('fails when a prepared statement is stale twice in a row', async (t) => {
  for (const code of ['26000', '42P05']) {
    const url = await startFake(t, () => [begun, fault(code), ready()])
    const broken = createDatabase(loadConfig({ ...testing, DATABASE_URL: url }))
    t.teardown(broken.close)
    await t.rejects(
      broken.withoutUser((tx) => tx`select 1`),
      { code },
    )
    const behind = await createApp(t, { url })
    const payload = { email: 'a@example.com', password: 'x' }
    problem(t, await behind.inject({ method: 'POST', url: '/login', payload }), 503, 'unavailable')
  }
  const url = await startFake(t, (flight) =>
    flight === 0 ? [begun, fault('42P05'), ready()] : [...one('a'), ready()],
  )
  const mended = createDatabase(loadConfig({ ...testing, DATABASE_URL: url }))
  t.teardown(mended.close)
  t.same(await mended.withoutUser((tx) => tx`select 1`), [{ x: 'a' }])
})
