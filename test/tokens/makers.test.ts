import { randomUUID } from 'node:crypto'
import t from 'tap'
import { askWith, problem, setUp, signUp, type TestUser } from '../support/app.ts'

const { app, database } = await setUp(t)
type Ask = TestUser['ask']
const inHours = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString()
const make = (ask: Ask, more: object = {}) =>
  ask('POST', '/tokens', { name: 'a', scopes: ['account'], ...more })
async function made(
  ask: Ask,
  more: object = {},
): Promise<{ id: string; expires_at: string | null; ask: Ask }> {
  const { id, expires_at, token } = (await make(ask, more)).json()
  return { id, expires_at, ask: askWith(app, token) }
}

t.test('lets a token expire with the personal token that makes it, or before', async (t) => {
  const user = await signUp(app)
  const maker = await made(user.ask, { expires_at: inHours(2) })
  for (const more of [{}, { expires_at: null }])
    t.equal((await made(maker.ask, more)).expires_at, maker.expires_at, JSON.stringify(more))
  const earlier = inHours(1)
  const child = await made(maker.ask, { expires_at: earlier })
  t.equal(Date.parse(`${child.expires_at}`), Date.parse(earlier))
  t.equal(
    (await made(maker.ask, { expires_at: maker.expires_at })).expires_at,
    maker.expires_at,
    'the very moment',
  )
  // And so on, from maker to maker.
  t.equal((await made(child.ask)).expires_at, child.expires_at)
})

t.test('refuses a token that would expire later than its maker, and says how late it may', async (t) => {
  const user = await signUp(app)
  const maker = await made(user.ask, { expires_at: inHours(2) })
  const answer = await make(maker.ask, { expires_at: inHours(3) })
  problem(t, answer, 400, 'invalid_request')
  const [error] = answer.json().errors
  t.match(error, { pointer: '/expires_at', code: 'out_of_range' })
  t.match(error.message, maker.expires_at)
  t.equal((await user.ask('GET', '/tokens')).json().data.length, 1, 'and makes none')
  const { data } = (await user.ask('GET', '/me/events')).json()
  t.equal(data.filter(({ kind }: { kind: string }) => kind === 'token_created').length, 1)
})

t.test('lets a session, and a token that never expires, make tokens of any life', async (t) => {
  const user = await signUp(app)
  const forever = await made(user.ask)
  t.equal(forever.expires_at, null)
  t.equal((await made(forever.ask)).expires_at, null)
  t.ok((await made(forever.ask, { expires_at: inHours(24 * 3650) })).expires_at)
  t.equal((await user.ask('POST', '/logout')).statusCode, 204)
  t.equal((await forever.ask('GET', '/me')).statusCode, 200, 'it outlives the session that made it')
})

t.test('revokes with a token all that it made, and nothing else', async (t) => {
  for (const revoke of ['DELETE', 'logout'] as const) {
    const user = await signUp(app)
    const [maker, sibling] = [await made(user.ask), await made(user.ask)]
    const child = await made(maker.ask)
    const grandchild = await made(child.ask)
    const answer =
      revoke === 'logout'
        ? await maker.ask('POST', '/logout')
        : await user.ask('DELETE', `/tokens/${maker.id}`)
    t.equal(answer.statusCode, 204)
    for (const gone of [maker, child, grandchild])
      problem(t, await gone.ask('GET', '/me'), 401, 'revoked_token')
    t.equal((await sibling.ask('GET', '/me')).statusCode, 200)
    const { data } = (await user.ask('GET', '/tokens')).json()
    t.same(
      data.map(({ id }: { id: string }) => id),
      [sibling.id],
    )
  }
})

t.test('keeps the maker when what it made is revoked', async (t) => {
  const user = await signUp(app)
  const maker = await made(user.ask)
  const child = await made(maker.ask)
  t.equal((await child.ask('DELETE', `/tokens/${child.id}`)).statusCode, 204)
  t.equal((await maker.ask('GET', '/me')).statusCode, 200)
})

t.test('makes no token when its maker is revoked meanwhile', async (t) => {
  const user = await signUp(app)
  const maker = await made(user.ask)
  const answer = await database.admin.begin(async (sql) => {
    await sql`delete from identity.access_tokens where id = ${maker.id}`
    const asked = make(maker.ask)
    // Until it waits for this transaction.
    for (let waiting = 0; waiting === 0; )
      [{ waiting = 0 } = {}] = await database.admin<{ waiting: number }[]>`
        select count(*)::integer as waiting from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`
    return { asked }
  })
  problem(t, await answer.asked, 401, 'revoked_token')
  t.same((await user.ask('GET', '/tokens')).json().data, [])
})

t.test('is held to by the database, whatever a handler sends', async (t) => {
  const user = await signUp(app)
  const maker = await made(user.ask, { expires_at: inHours(1) })
  const insert = (columns: string, values: string) =>
    database.admin.begin(async (sql) => {
      await sql`
        select set_config('app.context', identity.sealed_context(${user.id}, ${maker.id}, null, '{account}'), true)`
      await sql`set local role todo_api`
      await sql.unsafe(
        `insert into identity.access_tokens (id, name, hash, scopes${columns})
         values ('${randomUUID()}', 'x', sha256('${randomUUID()}'), '{account}'${values})`,
      )
    })
  const late = { message: /access_tokens_expires_with_maker/ }
  await t.rejects(insert('', ''), late)
  await t.rejects(insert(', expires_at', ", now() + interval '2 hours'"), late)
  await t.rejects(insert(', expires_at, maker_id', ', now(), null'), { code: '42501' })
  await t.rejects(insert(', expires_at, maker_expires_at', ', now(), null'), { code: '42501' })
  await insert(', expires_at', ", now() + interval '59 minutes'")
  const [row] =
    await database.admin`select count(*)::integer as n from identity.access_tokens where maker_id = ${maker.id}`
  t.equal(row?.n, 1)
})
