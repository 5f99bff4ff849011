import { randomUUID } from 'node:crypto'
import t from 'tap'
import { problem, setUp, signUp } from '../support/app.ts'

// RFC 9110, sections 8.8.3 and 13; RFC 7396

const { app } = await setUp(t)
const user = await signUp(app)
const create = async (todo: object = { title: 'a' }) => (await user.ask('POST', '/todos', todo)).json()

t.test('tags each representation by its version (8.8.3)', async (t) => {
  const made = await user.ask('POST', '/todos', { title: 'a' })
  t.equal(made.headers.etag, '"1"')
  const url = `/todos/${made.json().id}`
  t.equal((await user.ask('GET', url)).headers.etag, '"1"')
  t.equal((await user.ask('HEAD', url)).headers.etag, '"1"')
  t.equal((await user.ask('PATCH', url, { title: 'b' })).headers.etag, '"2"')
  t.equal((await user.ask('PATCH', url, {})).headers.etag, '"2"', 'nothing changed')
  t.equal((await user.ask('GET', url)).headers.etag, '"2"')
})

t.test('answers 304 without a body to If-None-Match (13.1.2, 15.4.5)', async (t) => {
  const { id } = await create()
  const ask = (tag: string) => user.ask('GET', `/todos/${id}`, undefined, { 'if-none-match': tag })
  for (const tag of ['"1"', 'W/"1"', '*', '"x", "1"', ' W/"0" ,"1" ', '"1",']) {
    const answer = await ask(tag)
    t.equal(answer.statusCode, 304, tag)
    t.equal(answer.body, '')
    t.match(answer.headers, { etag: '"1"', 'cache-control': 'no-store' })
  }
  for (const tag of ['"2"', 'W/"2"', '"1!"']) t.equal((await ask(tag)).statusCode, 200, tag)
  for (const tag of ['1', '"1', 'w/"1"', '"1" "2"', '"1 "', '']) {
    const answer = await ask(tag)
    problem(t, answer, 400, 'invalid_request')
    t.match(answer.json().errors, [{ parameter: 'If-None-Match' }], tag)
  }
})

t.test('changes and deletes only the version of If-Match, compared strongly (13.1.1)', async (t) => {
  const { id } = await create()
  const url = `/todos/${id}`
  const patch = (tag: string) => user.ask('PATCH', url, { title: 'b' }, { 'if-match': tag })
  for (const tag of ['"2"', 'W/"1"', '"x"', '"2", "3"', '"01"']) {
    problem(t, await patch(tag), 412, 'precondition_failed')
    problem(t, await user.ask('DELETE', url, undefined, { 'if-match': tag }), 412, 'precondition_failed')
  }
  problem(t, await patch('1'), 400, 'invalid_request')
  t.equal((await patch('"0", "1"')).headers.etag, '"2"')
  t.equal((await patch('*')).headers.etag, '"3"')
  problem(t, await user.ask('DELETE', url, undefined, { 'if-match': '"2"' }), 412, 'precondition_failed')
  t.equal((await user.ask('DELETE', url, undefined, { 'if-match': '"3"' })).statusCode, 204)
  problem(t, await patch('"3"'), 404, 'not_found')
  problem(t, await patch('*'), 404, 'not_found')
})

t.test('changes and deletes no version of If-None-Match, compared weakly (13.1.2)', async (t) => {
  const { id } = await create()
  const url = `/todos/${id}`
  const patch = (tag: string) => user.ask('PATCH', url, { title: 'b' }, { 'if-none-match': tag })
  for (const tag of ['*', '"1"', 'W/"1"', '"x", "1"']) {
    problem(t, await patch(tag), 412, 'precondition_failed')
    problem(t, await user.ask('DELETE', url, undefined, { 'if-none-match': tag }), 412, 'precondition_failed')
  }
  problem(t, await patch('1'), 400, 'invalid_request')
  t.equal((await patch('"2", W/"3"')).headers.etag, '"2"')
  const gone = await user.ask('DELETE', url, undefined, { 'if-none-match': '"1"', 'if-match': '"2"' })
  t.equal(gone.statusCode, 204)
  problem(t, await patch('*'), 404, 'not_found')
})

t.test("tells nothing of another user's version", async (t) => {
  const { id } = await create()
  const bob = await signUp(app)
  for (const tag of ['"1"', '"2"', '*'])
    problem(t, await bob.ask('PATCH', `/todos/${id}`, { title: 'b' }, { 'if-match': tag }), 404, 'not_found')
  problem(t, await bob.ask('GET', `/todos/${id}`, undefined, { 'if-none-match': '*' }), 404, 'not_found')
})

t.test('lets exactly one of two changes of the same version win', async (t) => {
  for (let n = 0; n < 10; n++) {
    const { id } = await create()
    const answers = await Promise.all(
      ['b', 'c'].map((title) => user.ask('PATCH', `/todos/${id}`, { title }, { 'if-match': '"1"' })),
    )
    t.same(answers.map(({ statusCode }) => statusCode).sort(), [200, 412])
    const won = answers.find(({ statusCode }) => statusCode === 200)
    t.same((await user.ask('GET', `/todos/${id}`)).json(), won?.json())
  }
})

t.test(
  'takes a merge patch under both content types, and for PATCH alone (RFC 7396, RFC 5789)',
  async (t) => {
    const { id } = await create({ title: 'a', notes: 'n', due_at: '2026-12-24T18:00:00Z', tags: ['x'] })
    const send = (method: 'PATCH' | 'POST', url: string, type: string) =>
      user.ask(method, url, '{"title":"b","notes":null}', { 'content-type': type })
    const merge = 'application/merge-patch+json'
    for (const type of [merge, 'application/json', `${merge}; charset=utf-8`]) {
      const answer = await send('PATCH', `/todos/${id}`, type)
      t.match(answer.json(), { title: 'b', notes: null, due_at: '2026-12-24T18:00:00Z', tags: ['x'] }, type)
    }
    problem(t, await send('POST', '/todos', merge), 415, 'unsupported_media_type')
    const refused = await send('PATCH', `/todos/${id}`, 'text/plain')
    problem(t, refused, 415, 'unsupported_media_type')
    t.equal(refused.headers['accept-patch'], 'application/merge-patch+json, application/json')
  },
)

t.test('tells absent, null and a value apart for every member', async (t) => {
  const full = {
    title: 'a',
    notes: 'n',
    completed: true,
    due_at: '2026-12-24T18:00:00Z',
    priority: 2,
    tags: ['x'],
    position: 7,
  }
  const changed = {
    title: 'b',
    notes: 'm',
    completed: false,
    due_at: null,
    priority: 0,
    tags: [],
    position: -1,
  }
  for (const [name, value] of Object.entries(changed)) {
    const before = await create(full)
    const url = `/todos/${before.id}`
    const after = (await user.ask('PATCH', url, { [name]: value })).json()
    const rest = {
      version: 2,
      updated_at: after.updated_at,
      ...(name === 'completed' && { completed_at: null }),
    }
    t.same(after, { ...before, ...rest, [name]: value }, `${name} alone has changed`)
    const cleared = await user.ask('PATCH', url, { [name]: null })
    if (['notes', 'due_at'].includes(name)) t.equal(cleared.json()[name], null)
    else problem(t, cleared, 400, 'invalid_request')
  }
  const { id } = await create()
  for (const name of ['id', 'user_id', 'version', 'created_at', 'updated_at', 'completed_at', 'x']) {
    const answer = await user.ask('PATCH', `/todos/${id}`, { [name]: null })
    problem(t, answer, 400, 'invalid_request')
    t.match(answer.json().errors, [{ pointer: `/${name}` }])
  }
  problem(t, await user.ask('PATCH', `/todos/${randomUUID()}`, {}), 404, 'not_found')
})
