import { randomUUID } from 'node:crypto'
import t from 'tap'
import { createApp, problem, setUp, signUp } from '../support/app.ts'

const { app, database } = await setUp(t, { TRASH_DAYS: '7' })
const titles = (answer: { json(): { data: { title: string }[] } }) =>
  answer.json().data.map(({ title }) => title)

t.test('keeps a deleted todo for TRASH_DAYS, and gives it back as it was', async (t) => {
  const user = await signUp(app)
  const sent = {
    title: 'a',
    notes: 'b',
    due_at: '2027-01-01T00:00:00Z',
    priority: 2,
    tags: ['x'],
    position: 5,
  }
  const { id } = (await user.ask('POST', '/todos', sent)).json()
  const before = (await user.ask('PATCH', `/todos/${id}`, { completed: true })).json()
  t.equal((await user.ask('DELETE', `/todos/${id}`)).statusCode, 204)
  problem(t, await user.ask('GET', `/todos/${id}`), 404, 'not_found')
  for (const url of ['/todos', '/todos?q=a', '/tags'])
    t.same((await user.ask('GET', url)).json().data, [], 'no list has it')

  const [trashed] = (await user.ask('GET', '/trash')).json().data
  t.match(trashed, before)
  t.equal(Date.parse(trashed.expires_at) - Date.parse(trashed.deleted_at), 7 * 86_400_000)
  t.same((await user.ask('GET', '/me/export')).json().trashed_todos, [trashed])

  const restored = await user.ask('POST', `/trash/${id}/restore`)
  t.equal(restored.headers.etag, '"3"')
  const { updated_at } = restored.json()
  t.same(restored.json(), { ...before, version: 3, updated_at })
  t.same((await user.ask('GET', '/todos?q=b')).json().data, [restored.json()], 'search finds it again')
  t.same((await user.ask('GET', '/trash')).json().data, [])
  problem(t, await user.ask('POST', `/trash/${id}/restore`), 404, 'not_found')
})

t.test('moves todos there in bulk and in a batch, and lists the last deleted first, in pages', async (t) => {
  const [user, bob] = [await signUp(app), await signUp(app)]
  const create = async (title: string, completed = false) =>
    (await user.ask('POST', '/todos', { title, completed })).json().id
  await create('bulk 1', true)
  await create('bulk 2', true)
  const id = await create('batch')
  await create('last')
  await user.ask('DELETE', '/todos?completed=true')
  await user.ask('POST', '/todos/batch', { operations: [{ op: 'delete', id }] })
  await user.ask('DELETE', '/todos?all=true')
  const expected = ['last', 'batch', 'bulk 2', 'bulk 1']
  t.same(titles(await user.ask('GET', '/trash')), expected)
  const seen: string[] = []
  let cursor = ''
  do {
    const page = await user.ask('GET', `/trash?limit=3${cursor && `&cursor=${cursor}`}`)
    seen.push(...titles(page))
    cursor = page.json().next_cursor ?? ''
    t.equal(page.json().has_more, cursor !== '')
    if (cursor) problem(t, await bob.ask('GET', `/trash?cursor=${cursor}`), 400, 'invalid_cursor')
    if (cursor) problem(t, await user.ask('GET', `/trash?cursor=${cursor}x`), 400, 'invalid_cursor')
  } while (cursor)
  t.same(seen, expected)
  t.same(titles(await bob.ask('GET', '/trash')), [])

  problem(t, await user.ask('DELETE', '/trash'), 400, 'invalid_request')
  problem(t, await user.ask('DELETE', '/trash?all=false'), 400, 'invalid_request')
  t.same((await bob.ask('DELETE', '/trash?all=true')).json(), { deleted: 0 })
  t.same((await user.ask('DELETE', '/trash?all=true')).json(), { deleted: 4 })
  t.same((await user.ask('DELETE', '/trash?all=true')).json(), { deleted: 0 })
})

t.test('restores and removes only the version of If-Match', async (t) => {
  const user = await signUp(app)
  const { id } = (await user.ask('POST', '/todos', { title: 'a' })).json()
  await user.ask('DELETE', `/todos/${id}`, undefined, { 'if-match': '"1"' })
  const restore = (headers?: Record<string, string>) =>
    user.ask('POST', `/trash/${id}/restore`, undefined, headers)
  problem(t, await restore({ 'if-match': '"2"' }), 412, 'precondition_failed')
  t.equal((await restore({ 'if-match': '"1"' })).statusCode, 200)
  problem(t, await restore({ 'if-match': '"1"' }), 404, 'not_found')
  await user.ask('DELETE', `/todos/${id}`)
  const purge = (headers?: Record<string, string>) => user.ask('DELETE', `/trash/${id}`, undefined, headers)
  problem(t, await purge({ 'if-match': '"1"' }), 412, 'precondition_failed')
  t.equal((await purge({ 'if-match': '"2"' })).statusCode, 204)
  problem(t, await purge(), 404, 'not_found')
  problem(t, await restore(), 404, 'not_found')
})

t.test('restores once for an Idempotency-Key, and once for two requests at a time', async (t) => {
  const user = await signUp(app)
  const { id } = (await user.ask('POST', '/todos', { title: 'a' })).json()
  const key = { 'idempotency-key': randomUUID() }
  const restore = (headers?: Record<string, string>) =>
    user.ask('POST', `/trash/${id}/restore`, undefined, headers)
  await user.ask('DELETE', `/todos/${id}`)
  const [first, retry] = [await restore(key), await restore(key)]
  t.equal(retry.headers['idempotent-replayed'], 'true')
  t.equal(retry.body, first.body)
  await user.ask('DELETE', `/todos/${id}`)
  const statuses = (await Promise.all([restore(), restore()])).map(({ statusCode }) => statusCode)
  t.same(statuses.sort(), [200, 404])
  t.equal((await user.ask('GET', `/todos/${id}`)).json().version, 3)
})

t.test('asks for the scope of a write', async (t) => {
  const user = await signUp(app)
  const { token } = (await user.ask('POST', '/tokens', { name: 'a', scopes: ['todos:read'] })).json()
  const read = (method: 'GET' | 'POST' | 'DELETE', url: string) =>
    app.inject({ method, url, headers: { authorization: `Bearer ${token}` } })
  t.equal((await read('GET', '/trash')).statusCode, 200)
  for (const [method, url] of [
    ['POST', `/trash/${randomUUID()}/restore`],
    ['DELETE', `/trash/${randomUUID()}`],
    ['DELETE', '/trash?all=true'],
  ] as const)
    problem(t, await read(method, url), 403, 'insufficient_scope')
})

t.test('is emptied of what has expired, and with the account', async (t) => {
  const user = await signUp(app)
  for (const title of ['a', 'b']) await user.ask('POST', '/todos', { title })
  await user.ask('DELETE', '/todos?all=true')
  await database.admin`
    update trashed_todos set expires_at = now() - interval '1 second' where user_id = ${user.id} and title = 'a'`
  t.equal(await app.removeExpired(), 1)
  t.same(titles(await user.ask('GET', '/trash')), ['b'])
  t.equal((await user.ask('DELETE', '/me')).statusCode, 204)
  t.same(await database.admin`select id from trashed_todos where user_id = ${user.id}`, [])
})

t.test('does not exist on a sharded database, where deleting is final', async (t) => {
  const sharded = await createApp(t, database, { DATABASE_SHARDED: 'true' })
  const user = await signUp(sharded)
  const { id } = (await user.ask('POST', '/todos', { title: 'a' })).json()
  t.equal((await user.ask('DELETE', `/todos/${id}`)).statusCode, 204)
  problem(t, await user.ask('GET', '/trash'), 501, 'not_implemented')
  t.same(await database.admin`select id from trashed_todos where user_id = ${user.id}`, [])
})
