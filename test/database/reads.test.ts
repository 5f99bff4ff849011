import t from 'tap'
import { createApp, logIn, password, setUp, signUp } from '../support/app.ts'
import { until } from '../support/until.ts'

// Which rows the statements of every route touch, those within functions too, as Postgres itself counts them.

const { app: first, database } = await setUp(t)
const { url } = database
const admin = await database.admin.reserve()
t.teardown(() => admin.release())
const OTHERS = 200
const user = await signUp(first)
const { id } = (await user.ask('POST', '/todos', { title: 'milk', tags: ['shop'], priority: 1 })).json()
await admin`
  insert into users (id, email, email_folded) select gen_random_uuid(), n || '@example.com', n || '@example.com' from generate_series(1, ${OTHERS}) n`
await admin`
  insert into identity.sessions (user_id, id, secret_hash, scopes, expires_at)
  select u.id, gen_random_uuid(), sha256(''), '{account}', now() + interval '1 day' from users u join generate_series(1, 10) as n on u.id <> ${user.id}`
await admin`
  insert into identity.events (user_id, id, kind)
  select u.id, gen_random_uuid(), 'login' from users u join generate_series(1, 10) as n on u.id <> ${user.id}`
await admin`
  insert into identity.access_tokens (user_id, id, name, hash, scopes)
  select u.id, gen_random_uuid(), 'x', decode(md5(random()::text) || md5(random()::text), 'hex'), '{account}'
  from users u join generate_series(1, 10) as n on u.id <> ${user.id}`
await admin`
  insert into todos (user_id, id, title, folded_title, tags)
  select u.id, gen_random_uuid(), 'milk', 'milk', '{shop}' from users u join generate_series(1, 20) as n on u.id <> ${user.id}`
await admin`
  insert into idempotency_keys (user_id, key, fingerprint)
  select u.id, n::text, sha256('') from users u join generate_series(1, 10) as n on u.id <> ${user.id}`
await admin`vacuum analyze`
// With so few rows a scan is often the cheaper plan: now it is taken only where no index can serve.
const { username, pathname } = new URL(url)
await admin.unsafe(`alter role ${username} in database ${pathname.slice(1)} set enable_seqscan = off`)

t.test('finds every row by an index, and touches no more than the user has', async (t) => {
  const app = await createApp(t, database)
  // What the rows above have cost is told first, and then forgotten.
  await admin`select pg_stat_force_next_flush()`
  await admin`select pg_stat_reset()`
  const me = await logIn(app, user.email)
  const next = new URLSearchParams({ limit: '1', q: 'milk', tag: 'shop', priority: '1', completed: 'false' })
  const lists = ['created_at', 'updated_at', 'due_at', 'priority', 'position', 'title'].map(
    (key) => ['GET', `/todos?sort=-${key}`] as const,
  )
  const requests: (readonly [method: 'GET' | 'POST' | 'PATCH' | 'DELETE', url: string, body?: object])[] = [
    ...lists,
    ['GET', `/todos?${next}&count=exact`],
    ['GET', '/tags'],
    ['GET', `/todos/${id}`],
    ['POST', '/todos', { title: 'bread' }],
    ['PATCH', `/todos/${id}`, { title: 'butter' }],
    ['POST', '/todos/batch', { operations: [{ op: 'create', todo: { title: 'jam' } }] }],
    ['DELETE', `/todos/${id}`],
    ['DELETE', '/todos?completed=true'],
    ['GET', '/me'],
    ['PATCH', '/me', { current_password: password, email: `x.${user.email}` }],
    ['GET', '/me/export'],
    ['GET', '/me/sessions'],
    ['GET', '/me/events'],
    ['POST', '/tokens', { name: 'x', scopes: ['account'] }],
    ['GET', '/tokens'],
    ['POST', '/logout', {}],
  ]
  for (const [method, url, body] of requests) {
    const key = method === 'POST' && url.startsWith('/todos') ? { 'idempotency-key': url } : undefined
    t.match(await me.ask(method, url, body, key), { statusCode: /^20/ }, `${method} ${url}`)
  }
  const payload = { refresh_token: (await logIn(app, `x.${user.email}`)).refreshToken }
  t.equal((await app.inject({ method: 'POST', url: '/refresh', payload })).statusCode, 200)
  t.equal((await app.inject('/ready')).statusCode, 200)
  // What a connection has counted is told by the time that it is closed.
  await app.close()

  const counted = () => admin<{ name: string; scans: number; rows: number }[]>`
    select relname as name, seq_scan::integer as scans, (seq_tup_read + coalesce(idx_tup_fetch, 0))::integer as rows
    from pg_stat_user_tables order by 1`
  const asked = async () => (await counted()).find(({ name }) => name === 'todos')?.rows ?? 0
  await until('the statement is counted', async () => (await asked()) > 0)
  for (const { name, scans, rows } of await counted()) {
    t.equal(scans, 0, `${name} is never scanned`)
    t.ok(rows < OTHERS, `${name}: ${rows} rows are touched`)
  }
})

t.test('reads the own todos of a user, and no other, for a search, a sort or the tags', async (t) => {
  const app = await createApp(t, database, { DATABASE_POOL_SIZE: '1' })
  const small = await signUp(app)
  await small.ask('POST', '/todos', { title: 'needle', tags: ['shop'] })
  const big = await signUp(app)
  await admin`
    insert into todos (user_id, id, title, folded_title, tags)
    select ${big.id}, gen_random_uuid(), 'needle', 'needle', '{shop}' from generate_series(1, 5000)`
  await admin`vacuum analyze`
  await admin`select pg_stat_force_next_flush()`
  await admin`select pg_stat_reset()`
  // More often than a plan is tried before it is kept.
  for (let n = 0; n < 8; n++)
    for (const url of ['/todos?q=needle', '/todos?sort=title', '/tags'])
      t.equal((await small.ask('GET', url)).json().data.length, 1)
  await app.close()
  const used = () => admin<{ name: string; rows: number }[]>`
    select indexrelname as name, (seq_tup_read + t.idx_tup_fetch)::integer as rows
    from pg_stat_user_indexes i join pg_stat_user_tables t using (relid)
    where i.relname = 'todos' and i.idx_scan > 0 order by 1`
  await until('the use is counted', async () => (await used()).length > 0)
  const [index, ...others] = await used()
  t.same([index?.name, others], ['todos_pkey', []])
  t.ok(Number(index?.rows) < 100, `${index?.rows} rows are touched`)
})
