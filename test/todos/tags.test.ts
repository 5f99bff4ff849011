import fc from 'fast-check'
import t from 'tap'
import { problem, setUp, signUp } from '../support/app.ts'

const { app } = await setUp(t)
const letters = fc.constantFrom(...'aÉe\u0301ñÅ\u212B\u1E69s\u0323\u0307가漢')
const tags = fc.string({ unit: letters, minLength: 1, maxLength: 12 })
const get = (tag: string) => `/todos?tag=${encodeURIComponent(tag)}`

t.test('finds a todo by any canonically equivalent spelling of its tag', async (t) => {
  await fc.assert(
    fc.asyncProperty(tags, async (tag) => {
      const user = await signUp(app)
      const [nfc, nfd] = [tag.normalize('NFC'), tag.normalize('NFD')]
      const ids = []
      for (const tags of [[nfd], [nfc], [nfd, 'x', nfc]]) {
        const todo = (await user.ask('POST', '/todos', { title: 'a', tags })).json()
        t.same(todo.tags, tags.length === 1 ? [nfc] : [nfc, 'x'], 'kept in NFC, and once')
        ids.unshift(todo.id)
      }
      for (const same of [tag, nfc, nfd]) {
        const { data } = (await user.ask('GET', get(same))).json()
        t.same(
          data.map(({ id }: { id: string }) => id),
          ids,
          JSON.stringify(same),
        )
      }
    }),
    { numRuns: 20 },
  )
})

t.test('normalises tags in a patch and in a batch', async (t) => {
  const user = await signUp(app)
  const { id } = (await user.ask('POST', '/todos', { title: 'a' })).json()
  const sent = ['e\u0301', 'b', '\u00E9', 'b']
  t.same((await user.ask('PATCH', `/todos/${id}`, { tags: sent })).json().tags, ['\u00E9', 'b'])
  const operations = [
    { op: 'create', todo: { title: 'b', tags: sent } },
    { op: 'update', id, todo: { tags: sent } },
  ]
  const { results } = (await user.ask('POST', '/todos/batch', { operations })).json()
  for (const { todo } of results) t.same(todo.tags, ['\u00E9', 'b'])
})

t.test('counts the characters of a tag after normalisation', async (t) => {
  const user = await signUp(app)
  const create = (tag: string) => user.ask('POST', '/todos', { title: 'a', tags: [tag] })
  t.equal((await create('e\u0301'.repeat(50))).statusCode, 201)
  // U+FB2C is three characters in NFC.
  for (const long of ['é'.repeat(51), '\uFB2C'.repeat(50), 'x'.repeat(5000)]) {
    const answer = await create(long)
    problem(t, answer, 400, 'invalid_request')
    t.match(answer.json().errors, [{ pointer: '/tags/0', code: 'too_long' }])
  }
})

t.test('keeps titles and notes exactly as sent', async (t) => {
  const user = await signUp(app)
  const sent = { title: ' e\u0301 \u00A0', notes: 'e\u0301\u00E9\u212B\n' }
  t.match((await user.ask('POST', '/todos', sent)).json(), sent)
})

t.test('lists the tags of a user with their counts', async (t) => {
  const [user, bob] = [await signUp(app), await signUp(app)]
  const empty = { data: [], limit: 100, offset: 0, has_more: false }
  t.same((await user.ask('GET', '/tags')).json(), empty)
  for (const tags of [['home', 'x'], ['home', 'Work'], [], ['home', 'élan']])
    await user.ask('POST', '/todos', { title: 'a', tags, completed: tags.includes('x') })
  await bob.ask('POST', '/todos', { title: 'a', tags: ['home', 'secret'] })
  const data = [
    { tag: 'Work', count: 1 },
    { tag: 'home', count: 3 },
    { tag: 'x', count: 1 },
    { tag: 'élan', count: 1 },
  ]
  t.same((await user.ask('GET', '/tags')).json(), { ...empty, data })
  t.same((await user.ask('GET', '/tags?limit=2&offset=1')).json(), {
    data: data.slice(1, 3),
    limit: 2,
    offset: 1,
    has_more: true,
  })
  t.match((await bob.ask('GET', '/tags')).json().data, [{ tag: 'home', count: 1 }, { tag: 'secret' }])
  problem(t, await user.ask('GET', '/tags?limit=1001'), 400, 'invalid_request')
})
