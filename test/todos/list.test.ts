import t from 'tap'
import type { Todo } from '../../src/todos/schema.ts'
import { createApp, problem, setUp, signUp, type TestUser, testing } from '../support/app.ts'

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
  insert into todos (user_id, id, title, folded_title, due_at, priority, position, updated_at)
  select ${user.id}, gen_random_uuid(), chr(65 + n % 7) || 'é' || n % 3, chr(97 + n % 7) || 'e' || n % 3,
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
    'tag=home&tag=x': ['a'],
    'tag=x&tag=home&tag=x': ['a'],
    'tag=home&tag=y': [],
    'tag=home&completed=false': ['c'],
    'due_before=2027-01-15T00:00:00Z': ['b'],
    'due_before=2027-01-01T00:00:00Z': [],
    'due_from=2027-01-01T00:00:00Z': ['c', 'b'],
    'due_from=2027-01-01T00:00:00.000001Z': ['c'],
    'due_from=2027-01-01T00:00:00Z&due_before=2027-01-31T23:00:00Z': ['b'],
    'due_from=2027-01-01T00:00:00%2B01:00': ['c', 'b'],
    'due=none': ['a'],
    'due=none&completed=false': [],
  }
  for (const [query, found] of Object.entries(expected)) t.same(await titles(user, `?${query}`), found, query)
  const bad = ['completed=yes', 'priority=4', 'tag=', 'tag=%00', 'q=', 'q=%20', 'due_before=soon', 'sort=id']
  for (const query of [
    ...bad,
    'sort=',
    'count=1',
    'due_after=2027-01-01T00:00:00Z',
    'due=',
    'due=never',
    'tag=a&tag=',
    'q=a&q=b',
    'tag=%ED%A0%80',
  ])
    problem(t, await user.ask('GET', `/todos?${query}`), 400, 'invalid_request')
})

t.test('takes due=none alone, and names every date filter that conflicts with it', async (t) => {
  const user = await signUp(app)
  for (const other of ['due_from', 'due_before']) {
    const answer = await user.ask('GET', `/todos?due=none&${other}=2027-01-01T00:00:00Z`)
    problem(t, answer, 400, 'invalid_request')
    t.match(answer.json().errors, [{ parameter: 'due', code: 'conflict' }])
  }
})
