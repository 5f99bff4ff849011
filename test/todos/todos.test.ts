import t from 'tap'
import { createApp, problem, setUp, signUp } from '../support/app.ts'

const { app, database } = await setUp(t)

t.test('creates a todo with defaults, and says where it is', async (t) => {
  const ada = await signUp(app)
  const answer = await ada.ask('POST', '/todos', { title: ' Water the plants 🌱 ' })
  t.equal(answer.statusCode, 201)
  const todo = answer.json()
  t.match(todo, {
    id: /^[0-9a-f]{8}-[0-9a-f]{4}-7/,
    title: ' Water the plants 🌱 ',
    notes: null,
    completed: false,
    completed_at: null,
    due_at: null,
    priority: 0,
    tags: [],
    position: 0,
    version: 1,
    created_at: /Z$/,
    updated_at: todo.created_at,
  })
  t.notOk('user_id' in todo)
  t.equal(answer.headers.location, `/todos/${todo.id}`)
  t.same((await ada.ask('GET', `/todos/${todo.id}`)).json(), todo)
})

t.test('keeps every member as it was sent', async (t) => {
  const ada = await signUp(app)
  const sent = {
    title: "Robert'); drop table todos; --",
    notes: 'Zeilen\n\tund "Quotes" \\ {a,b} 🌱',
    completed: true,
    due_at: '2026-12-24T18:00:00.123456+01:00',
    priority: 3,
    tags: ['a,b', '{"c"}', 'd\\e', 'null', ' '.concat('f')],
    position: -2147483648,
  }
  const todo = (await ada.ask('POST', '/todos', sent)).json()
  t.match(todo, { ...sent, due_at: '2026-12-24T17:00:00.123456Z', completed_at: todo.created_at })
})

t.test('patches only what is sent: absent stays, null clears', async (t) => {
  const ada = await signUp(app)
  const before = (
    await ada.ask('POST', '/todos', { title: 'a', notes: 'n', tags: ['x'], due_at: '2026-12-24T18:00:00Z' })
  ).json()
  const url = `/todos/${before.id}`
  const patched = (await ada.ask('PATCH', url, { notes: null, priority: 2 })).json()
  t.match(patched, { ...before, notes: null, priority: 2, version: 2, updated_at: String })
  t.not(patched.updated_at, before.updated_at)
  const done = (await ada.ask('PATCH', url, { completed: true })).json()
  t.equal(done.completed_at, done.updated_at)
  const again = (await ada.ask('PATCH', url, { completed: true, title: 'b' })).json()
  t.equal(again.completed_at, done.completed_at, 'completed once, whatever is patched later')
  t.equal((await ada.ask('PATCH', url, { completed: false })).json().completed_at, null)
  t.same((await ada.ask('PATCH', url, { tags: ['y', 'z'] })).json().tags, ['y', 'z'])
})

t.test('changes nothing for an empty patch', async (t) => {
  const ada = await signUp(app)
  const before = (await ada.ask('POST', '/todos', { title: 'a' })).json()
  t.same((await ada.ask('PATCH', `/todos/${before.id}`, {})).json(), before)
})

t.test('deletes a todo once', async (t) => {
  const ada = await signUp(app)
  const { id } = (await ada.ask('POST', '/todos', { title: 'a' })).json()
  const answer = await ada.ask('DELETE', `/todos/${id}`)
  t.equal(answer.statusCode, 204)
  t.equal(answer.body, '')
  problem(t, await ada.ask('DELETE', `/todos/${id}`), 404, 'not_found')
  problem(t, await ada.ask('GET', `/todos/${id}`), 404, 'not_found')
})

t.test('lists newest first, by limit and offset', async (t) => {
  const ada = await signUp(app)
  for (let n = 1; n <= 25; n++) await ada.ask('POST', '/todos', { title: String(n) })
  const titles = async (query: string) => {
    const page = (await ada.ask('GET', `/todos${query}`)).json()
    return { ...page, data: page.data.map((todo: { title: string }) => Number(todo.title)) }
  }
  const first = await titles('')
  t.match(first, { limit: 20, offset: 0, has_more: true })
  t.same(
    first.data,
    Array.from({ length: 20 }, (_, n) => 25 - n),
  )
  t.match(await titles('?offset=20'), { data: [5, 4, 3, 2, 1], limit: 20, offset: 20, has_more: false })
  t.match(await titles('?limit=5&offset=20'), {
    data: [5, 4, 3, 2, 1],
    limit: 5,
    offset: 20,
    has_more: false,
  })
  t.match(await titles('?limit=2&offset=100'), { data: [], limit: 2, offset: 100, has_more: false })
})

t.test('refuses bad members, and names each', async (t) => {
  const ada = await signUp(app)
  const { id } = (await ada.ask('POST', '/todos', { title: 'kept' })).json()
  const bad: [unknown, string][] = [
    [{ title: '' }, '/title'],
    [{ title: ' \t\u00a0' }, '/title'],
    [{ title: 'x'.repeat(201) }, '/title'],
    [{ title: 'a\u0000b' }, '/title'],
    [{ title: 'a\ud800b' }, '/title'],
    [{ title: null }, '/title'],
    [{ title: 1 }, '/title'],
    [{ title: 'a', notes: 'x'.repeat(10_001) }, '/notes'],
    [{ title: 'a', notes: '\udfff' }, '/notes'],
    [{ title: 'a', completed: 'true' }, '/completed'],
    [{ title: 'a', completed: null }, '/completed'],
    [{ title: 'a', priority: 4 }, '/priority'],
    [{ title: 'a', priority: 1.5 }, '/priority'],
    [{ title: 'a', priority: '1' }, '/priority'],
    [{ title: 'a', position: 2147483648 }, '/position'],
    [{ title: 'a', position: 1e300 }, '/position'],
    [{ title: 'a', tags: 'home' }, '/tags'],
    [{ title: 'a', tags: Array(21).fill('x') }, '/tags'],
    [{ title: 'a', tags: ['ok', ''] }, '/tags/1'],
    [{ title: 'a', tags: ['x'.repeat(51)] }, '/tags/0'],
    [{ title: 'a', due_at: 'tomorrow' }, '/due_at'],
    [{ title: 'a', due_at: '2026-02-30T00:00:00Z' }, '/due_at'],
    [{ title: 'a', due_at: '2026-12-24' }, '/due_at'],
    [{ title: 'a', due_at: '0001-01-01T00:00:00+14:00' }, '/due_at'],
    [{ title: 'a', due_at: '2016-12-31T23:59:60Z' }, '/due_at'],
    [{ title: 'a', id: '0198f2c4-7d1a-7c3e-9f55-0d6a4f0b1c2d' }, '/id'],
    [{ title: 'a', user_id: ada.id }, '/user_id'],
    [{ title: 'a', version: 7 }, '/version'],
    [{ title: 'a', completed_at: null }, '/completed_at'],
    [{ title: 'a', 'x/y~z': 1 }, '/x~1y~0z'],
    [[], ''],
    [null, ''],
  ]
  for (const [body, pointer] of bad) {
    for (const [method, url] of [
      ['POST', '/todos'],
      ['PATCH', `/todos/${id}`],
    ] as const) {
      const answer = await app.inject({
        method,
        url,
        headers: { authorization: `Bearer ${ada.token}`, 'content-type': 'application/json' },
        payload: JSON.stringify(body),
      })
      problem(t, answer, 400, 'invalid_request')
      t.ok(
        answer.json().errors?.some((error: { pointer: string }) => error.pointer === pointer),
        `${method} ${JSON.stringify(body)?.slice(0, 60)} ${answer.body}`,
      )
    }
  }
  t.equal((await ada.ask('GET', '/todos')).json().data.length, 1, 'nothing was made')
  t.equal((await ada.ask('GET', `/todos/${id}`)).json().version, 1, 'nothing was changed')
})

t.test('refuses bad parameters, and names each', async (t) => {
  const ada = await signUp(app)
  const bad: [string, string][] = [
    ['/todos?limit=0', 'limit'],
    ['/todos?limit=101', 'limit'],
    ['/todos?limit=x', 'limit'],
    ['/todos?limit=', 'limit'],
    ['/todos?limit=1&limit=2', 'limit'],
    ['/todos?offset=-1', 'offset'],
    ['/todos?offset=99999999999999999999', 'offset'],
    ['/todos?user_id=1', 'user_id'],
    ['/todos/1', 'id'],
    ['/todos/urn:uuid:0198f2c4-7d1a-7c3e-9f55-0d6a4f0b1c2d', 'id'],
    ['/todos/%00', 'id'],
    ['/me?x=1', 'x'],
  ]
  for (const [url, parameter] of bad) {
    const answer = await ada.ask('GET', url)
    problem(t, answer, 400, 'invalid_request')
    t.match(answer.json().errors, [{ parameter }], url)
  }
})

t.test('keeps users apart while their requests share few connections', async (t) => {
  const shared = await createApp(t, database, { DATABASE_POOL_SIZE: '2' })
  const users = await Promise.all(Array.from({ length: 5 }, () => signUp(shared)))
  await Promise.all(
    users.flatMap((user) =>
      Array.from({ length: 10 }, (_, n) => user.ask('POST', '/todos', { title: `${user.id} ${n}` })),
    ),
  )
  const lists = await Promise.all(users.map((user) => user.ask('GET', '/todos?limit=100')))
  for (const [n, list] of lists.entries()) {
    const titles: string[] = list.json().data.map((todo: { title: string }) => todo.title)
    t.equal(titles.length, 10)
    t.ok(titles.every((title) => title.startsWith(users[n]?.id ?? '?')))
  }
})
