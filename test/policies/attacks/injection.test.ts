import type { FastifyPluginAsync } from 'fastify'
import t from 'tap'
import { createSessionSecret, sha256 } from '../../../src/credentials/opaque-tokens.ts'
import type { Tx } from '../../../src/database/transaction.ts'
import { type Ask, askWith, createApp } from '../../support/app.ts'
import { cloneDatabase } from '../../support/clone-database.ts'
import { fill, ids, insertRows } from '../fixture.ts'
import { attacks } from './attacks.ts'

// A handler as nobody should write it, on one connection that the attacker shares with the next user.

/** Sends text as SQL, which {@link Tx} does not offer. */
const send = (tx: Tx, text: string) => tx<Record<string, unknown>>([text] as unknown as TemplateStringsArray)

const broken: FastifyPluginAsync = async (app) => {
  const open = { config: { scope: 'any' as const }, schema: { hide: true } }
  app.get<{ Querystring: { q: string } }>('/concatenates', open, (request) =>
    request.withUser((tx) => send(tx, `select title from todos where title like '%${request.query.q}%'`)),
  )
  app.post<{ Body: string[] }>('/executes', open, (request) =>
    request.withUser(async (tx) => {
      const [{ seal } = {}] = await send(tx, `select current_setting('app.context') as seal`)
      const results: unknown[] = []
      for (const text of request.body)
        results.push(await send(tx, fill(text.replaceAll(':seal', `'${seal}'`))))
      return results
    }),
  )
}

const database = await cloneDatabase(t)
await insertRows(database.admin)
const secret = createSessionSecret()
await database.admin`update identity.sessions set secret_hash = ${sha256(secret)}`
const app = await createApp(t, database, { DATABASE_POOL_SIZE: '1' }, { more: broken })
const sign = (user_id: string, id: string) =>
  askWith(app, app.signAccessToken({ user_id, id, secret }, ['todos:read']))
const [ada, bob] = [sign(ids.ada, ids.used), sign(ids.bob, ids.other)]

const read = async (ask: Ask) => {
  const answer = await ask('GET', '/todos')
  return [answer.statusCode, answer.json().data?.map(({ title }: { title: string }) => title)]
}
const created = (await ada('GET', '/todos')).json().data[0].created_at

t.test('shows and changes nothing of another user, whatever SQL a handler lets in', async (t) => {
  for (const { wants, statements } of attacks) {
    if (statements.some((statement) => statement.startsWith('@2'))) continue
    const answer = await bob('POST', '/executes', statements)
    t.notMatch(answer.body, /common hers|ada@example/, wants)
    t.same(await read(ada), [200, ['common hers']], `${wants}: the next user of the connection`)
  }
  t.same(await read(bob), [200, ['common his']])
})

t.test('shows nothing of another user through a concatenated parameter', async (t) => {
  const inject = (q: string) => bob('GET', `/concatenates?q=${encodeURIComponent(fill(q))}`)
  t.same((await inject('common')).json(), [{ title: 'common his' }])
  for (const [q, titles] of Object.entries({
    "' or true --": ['common his'],
    "' union select email from users --": ['bob@example.com', 'common his'],
    "' union select title from todos where user_id = :ada --": ['common his'],
    "x' union all select title from (select set_config('app.context', replace(current_setting('app.context'), :bob, :ada), true) as forged offset 0) as f, lateral (select title from todos where forged <> '') as t --":
      [],
    "x' union select a.scopes::text from app.authenticate(:ada, :used, null) a --": [null],
  })) {
    const answer = await inject(q)
    const found = answer.json().map(({ title }: { title: string }) => title)
    t.same(found.sort(), titles, q)
    t.same(await read(ada), [200, ['common hers']], q)
  }
  for (const q of [
    "'; set role todo_auth --",
    "'; prepare x as select 1 --",
    "'; commit; begin --",
    "' union select password_hash from identity.credentials --",
    "' union select encode(inner_block, 'hex') from identity.secret_keys --",
    "' union select set_config('role', 'todo_auth', false) --",
  ]) {
    t.ok((await inject(q)).statusCode >= 400, q)
    t.same(await read(ada), [200, ['common hers']], q)
  }
})

t.test('sends no command but a query: one could change what the next request runs', async (t) => {
  for (const command of [
    'set search_path = nowhere',
    'prepare x as select 1',
    'deallocate all',
    'discard all',
    'listen x',
    'declare x cursor with hold for select 1',
    'do $$ begin end $$',
    '/* */ commit',
    'lock table todos',
    'copy todos to stdout',
    'explain select 1',
    "alter role current_user password 'x'",
  ])
    t.equal((await bob('POST', '/executes', [command])).statusCode, 500, command)
  const [row] = await database.admin`select count(*)::int as n from pg_prepared_statements where from_sql`
  t.equal(row?.n, 0)
})

t.test('lets no setting that outlives a transaction show or store anything wrong', async (t) => {
  for (const [name, value] of Object.entries({
    search_path: 'identity',
    row_security: 'off',
    statement_timeout: '1',
    default_transaction_isolation: 'serializable',
    default_transaction_read_only: 'on',
    client_encoding: 'LATIN1',
    TimeZone: 'Asia/Tokyo',
    DateStyle: 'SQL, DMY',
    IntervalStyle: 'sql_standard',
    standard_conforming_strings: 'off',
    bytea_output: 'escape',
    array_nulls: 'off',
    transform_null_equals: 'on',
    role: 'todo_api',
    'app.context': 'x',
  })) {
    await bob('POST', '/executes', [`select set_config('${name}', '${value}', false)`])
    // One request may fail, and then the connection is replaced.
    const first = await ada('GET', '/todos')
    if (first.statusCode === 200)
      t.match(first.json().data, [{ title: 'common hers', created_at: created }], name)
    t.match(
      (await ada('GET', '/todos')).json(),
      { data: [{ title: 'common hers', created_at: created }] },
      name,
    )
  }
})
