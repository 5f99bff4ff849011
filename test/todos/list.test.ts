import t from 'tap'
import type { Tx } from '../../src/database/transaction.ts'
import { listTodos, type Place, readKey } from '../../src/todos/list.ts'
import type { SortKey, Todo, TodoQuery } from '../../src/todos/schema.ts'
import { createApp, problem, setUp, signUp, type TestUser, testing } from '../support/app.ts'
import { credentialOf } from '../support/credential-of.ts'

const { app, database } = await setUp(t)
const { admin } = database
const list = async (user: TestUser, query = '') => (await user.ask('GET', `/todos${query}`)).json()
const titles = async (user: TestUser, query: string): Promise<string[]> =>
  (await list(user, query)).data.map(({ title }: Todo) => title)
const sorts = ['created_at', 'updated_at', 'due_at', 'priority', 'position', 'title'].flatMap((key) => [
  key,
  `-${key}`,
])
/** Todos in which every key has ties and, where it may be, nulls. */
const fill = (user: TestUser, count: number) => admin`
  insert into todos (user_id, id, title, due_at, priority, position, updated_at)
  select ${user.id}, gen_random_uuid(), chr(65 + n % 7) || 'é' || n % 3,
         case when n % 3 = 0 then null else timestamptz '2027-01-01Z' + (n % 5) * interval '1 day' end,
         n % 4, n % 6, timestamptz '2026-01-01Z' + (n % 9) * interval '1 second'
  from generate_series(1, ${count}) n`

/** Follows next_cursor to the end. */
async function walk(
  user: TestUser,
  query: string,
  onPage: () => Promise<unknown> = async () => {},
): Promise<string[]> {
  const ids: string[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page = await list(user, `?${query}${cursor && `&cursor=${cursor}`}`)
    ids.push(...page.data.map(({ id }: Todo) => id))
    cursor = page.next_cursor
    await onPage()
  }
  return ids
}

t.test('sorts by every key, both ways, and pages through the same order', async (t) => {
  const user = await signUp(app)
  await fill(user, 60)
  for (const sort of sorts) {
    const { data } = await list(user, `?sort=${sort}&limit=100`)
    t.equal(data.length, 60)
    const key = sort.replace('-', '')
    const ordered = data.map((todo: Record<string, string | number>) =>
      key === 'created_at' ? todo.id : (todo[key] ?? '9999'),
    )
    const expected = [...ordered].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
    t.same(ordered, sort === key ? expected : expected.reverse(), sort)
    const ids = data.map(({ id }: Todo) => id)
    t.same(await walk(user, `sort=${sort}&limit=7`), ids, `${sort}, by cursor`)
    const last = await list(user, `?sort=${sort}&limit=7&offset=56`)
    t.same(
      last.data.map(({ id }: Todo) => id),
      ids.slice(56),
      `${sort}, by offset`,
    )
  }
})

t.test('leads to first, previous and next page by Link (RFC 8288)', async (t) => {
  const user = await signUp(app)
  await fill(user, 25)
  const all = (await list(user, '?sort=priority&limit=100')).data.map(({ id }: Todo) => id)
  const follow = async (url: string) => {
    const answer = await user.ask('GET', url)
    const links = Object.fromEntries(
      [...String(answer.headers.link).matchAll(/<([^>]*)>; rel="(\w+)"/g)].map(([, url, rel]) => [rel, url]),
    )
    return { links, page: answer.json(), ids: answer.json().data.map(({ id }: Todo) => id) }
  }
  for (const start of ['/todos?sort=priority&limit=10', '/todos?sort=priority&limit=10&offset=0']) {
    const first = await follow(start)
    t.same(Object.keys(first.links), ['first', 'next'])
    const byCursor = `${start}&cursor=${first.page.next_cursor}`.replace('&offset=0', '')
    for (const second of [await follow(first.links.next as string), await follow(byCursor)]) {
      t.same(second.ids, all.slice(10, 20))
      t.same(Object.keys(second.links), ['first', 'prev', 'next'])
      const third = await follow(second.links.next as string)
      t.same(third.ids, all.slice(20))
      t.same(Object.keys(third.links), ['first', 'prev'])
      t.match(third.page, { has_more: false, next_cursor: null })
      const back = await follow(third.links.prev as string)
      t.same(back.ids, all.slice(10, 20), 'and back')
      const begin = await follow(back.links.prev as string)
      t.same(begin.ids, all.slice(0, 10))
      t.notOk('prev' in begin.links)
      t.same((await follow(back.links.next as string)).ids, all.slice(20), 'and on again')
      t.same((await follow(back.links.first as string)).ids, all.slice(0, 10))
    }
  }
  const nothing = await follow('/todos?q=nothing')
  t.same([nothing.ids, Object.keys(nothing.links)], [[], ['first']])
})

t.test('shows every todo that stays exactly once while others come and go', async (t) => {
  const user = await signUp(app)
  await fill(user, 1000)
  const [stay, go] = [new Set<string>(), [] as string[]]
  for (const { id } of await admin`select id from todos where user_id = ${user.id}`)
    if (go.length < 300 && Math.random() < 0.4) go.push(id)
    else stay.add(id)
  for (const sort of ['-created_at', 'priority']) {
    const churn = async () => {
      const gone = go.splice(0, 7)
      await admin`delete from todos where id = any (${gone})`
      await fill(user, 5)
    }
    const seen = await walk(user, `sort=${sort}&limit=20`, churn)
    t.equal(new Set(seen).size, seen.length, 'nothing twice')
    t.same(
      [...stay].filter((id) => !seen.includes(id)),
      [],
      'nothing left out',
    )
  }
})

t.test('refuses a cursor that is made up, changed, foreign or of another list', async (t) => {
  const [user, bob] = [await signUp(app), await signUp(app)]
  await fill(user, 5)
  await fill(bob, 5)
  const { next_cursor: cursor } = await list(user, '?limit=2&sort=title&completed=false')
  const same = `limit=2&sort=title&completed=false&cursor=${cursor}`
  t.equal((await user.ask('GET', `/todos?${same}`)).statusCode, 200)
  t.equal((await user.ask('GET', `/todos?${same.replace('limit=2', 'limit=3&count=exact')}`)).statusCode, 200)
  const [payload, signature] = cursor.split('.')
  const refused = [
    same.replace('sort=title', 'sort=-title'),
    same.replace('completed=false', 'completed=true'),
    same.replace('completed=false', ''),
    `${same}&q=a`,
    same.replace(cursor, `${payload}.${'A'.repeat(22)}`),
    same.replace(cursor, `${payload}x.${signature}`),
    same.replace(cursor, `${Buffer.from('["after",null,"x"]').toString('base64url')}.${signature}`),
    same.replace(cursor, 'x.y'),
  ]
  for (const query of refused) problem(t, await user.ask('GET', `/todos?${query}`), 400, 'invalid_cursor')
  problem(t, await bob.ask('GET', `/todos?${same}`), 400, 'invalid_cursor')
  for (const query of [`${same}&offset=0`, 'cursor=', 'cursor=x', `cursor=${'x'.repeat(2000)}.x`])
    problem(t, await user.ask('GET', `/todos?${query}`), 400, 'invalid_request')

  const secrets = { JWT_SECRET: 'n'.repeat(40), JWT_SECRET_PREVIOUS: testing.JWT_SECRET }
  const changing = await createApp(t, database, secrets)
  const answer = await changing.inject({
    url: `/todos?${same}`,
    headers: { authorization: `Bearer ${user.token}` },
  })
  t.equal(answer.statusCode, 200, 'it outlives a change of the secret, like tokens')
})

t.test('counts exactly when asked to', async (t) => {
  const [user, bob] = [await signUp(app), await signUp(app)]
  await fill(user, 30)
  await fill(bob, 3)
  t.equal((await list(user, '?count=exact&limit=1')).total, 30)
  t.equal((await list(user, '?count=exact&priority=1')).total, 8)
  const { next_cursor } = await list(user, '?limit=20')
  t.match(await list(user, `?limit=20&count=exact&cursor=${next_cursor}`), {
    total: 30,
    offset: null,
    has_more: false,
  })
  t.notOk('total' in (await list(user)))
})

t.test('filters', async (t) => {
  const user = await signUp(app)
  const make = (title: string, more: object) => user.ask('POST', '/todos', { title, ...more })
  await make('a', { completed: true, priority: 1, tags: ['home', 'x'] })
  await make('b', { priority: 1, due_at: '2027-01-01T00:00:00Z' })
  await make('c', { tags: ['home'], due_at: '2027-02-01T00:00:00+01:00' })
  const expected: Record<string, string[]> = {
    'completed=true': ['a'],
    'completed=false': ['c', 'b'],
    'priority=1': ['b', 'a'],
    'tag=home': ['c', 'a'],
    'tag=hom': [],
    'tag=home&completed=false': ['c'],
    'due_before=2027-01-15T00:00:00Z': ['b'],
    'due_after=2027-01-01T00:00:00Z': ['c'],
    'due_after=2026-12-31T23:59:59Z&due_before=2027-01-31T23:00:00Z': ['b'],
    'due_after=2027-01-01T00:00:00%2B01:00': ['c', 'b'],
  }
  for (const [query, found] of Object.entries(expected)) t.same(await titles(user, `?${query}`), found, query)
  const bad = ['completed=yes', 'priority=4', 'tag=', 'tag=%00', 'q=', 'q=%20', 'due_before=soon', 'sort=id']
  for (const query of [...bad, 'sort=', 'count=1', 'due_after=2027-01-01', 'q=a&q=b', 'tag=%ED%A0%80'])
    problem(t, await user.ask('GET', `/todos?${query}`), 400, 'invalid_request')
})

t.test('finds words in title and notes, whatever their case and accents', async (t) => {
  const [user, bob] = [await signUp(app), await signUp(app)]
  await user.ask('POST', '/todos', { title: 'Bring crème brûlée', notes: 'for ÅSA, on Tuesday' })
  await user.ask('POST', '/todos', { title: 'Water the plants' })
  await bob.ask('POST', '/todos', { title: 'Crème fraîche' })
  const dessert = ['Bring crème brûlée']
  const expected: Record<string, string[]> = {
    creme: dessert,
    'CRÈME BRULEE': dessert,
    'asa creme': dessert,
    tuesday: dessert,
    'creme plants': [],
    crem: [],
    fraiche: [],
    PLANTS: ['Water the plants'],
    '!': [],
    "'); drop table todos; --": [],
    '& | :*': [],
  }
  for (const [q, found] of Object.entries(expected))
    t.same(await titles(user, `?q=${encodeURIComponent(q)}`), found, q)
  await user.ask('PATCH', `/todos/${(await list(user, '?q=plants')).data[0].id}`, {
    title: 'Sell the plants',
  })
  t.same(await titles(user, '?q=water'), [])
  t.same(await titles(user, '?q=sell'), ['Sell the plants'])
  t.same((await list(bob, '?q=creme&count=exact')).total, 1)
})

t.test('needs an index and no sort for any order, among 100,000 todos of one user', async (t) => {
  const user = await signUp(app)
  await fill(user, 100_000)
  await admin`analyze todos`
  const credential = credentialOf(user.token)
  /** The plan of the very statement that the API sends. */
  const plan = async (query: TodoQuery, place: Place) => {
    const rows = await app.database.withUser(credential, 'read only', (tx) => {
      const explain = (strings: TemplateStringsArray, ...values: never[]) => {
        const [first, ...rest] = strings
        const text = [`explain (costs off) ${first}`, ...rest]
        return tx(Object.assign(text, { raw: text }), ...values)
      }
      return listTodos(explain as unknown as Tx, query, place)
    })
    return rows.map((row) => Object.values(row)[0]).join('\n')
  }
  const filters = { completed: false, priority: 1, tag: 'x', due_before: '2027-01-01T00:00:00Z' }
  const { data } = await list(user, '?limit=1')
  for (const sort of sorts as TodoQuery['sort'][]) {
    const key = readKey(data[0], sort.replace('-', '') as SortKey)
    for (const place of [
      { kind: 'offset', offset: 0 },
      { kind: 'after', key, id: data[0].id },
    ] as const) {
      const text = await plan({ sort, limit: 20 }, place)
      t.match(text, /Index (Only )?Scan/, `${sort} ${place.kind}`)
      t.notMatch(text, /Seq Scan|Sort/, text)
      if (place.kind === 'after')
        t.match(text, /Index Cond: .*ROW\(/, 'the cursor is a condition of the index')
      // Few rows that match may be sorted; where they come from is an index all the same.
      const filtered = await plan({ sort, limit: 20, ...filters }, place)
      t.match(filtered, /Index (Only )?Scan/)
      t.notMatch(filtered, 'Seq Scan')
    }
  }
  const search = await plan({ sort: '-created_at', limit: 20, q: 'Aé1' }, { kind: 'offset', offset: 0 })
  t.match(search, /Index Cond: .*id = ANY/)
  t.notMatch(search, 'Seq Scan')

  const inner = await admin.begin(async (sql) => {
    await sql`select set_config('app.context', identity.sealed_context(${user.id}, ${user.id}, now(), '{}'), true)`
    await sql`set local role todo_auth`
    return sql`
      explain (costs off) select id from todos
      where user_id = app.user_id()
        and app.search_keys(user_id, title || ' ' || coalesce(notes, '')) @> app.search_keys(app.user_id(), 'Aé1')`
  })
  t.match(inner.map((row) => row['QUERY PLAN']).join('\n'), 'Bitmap Index Scan on todos_search_idx')
})
