import t from 'tap'
import type { Todo } from '../../src/todos/schema.ts'
import { setUp, signUp, type TestUser } from '../support/app.ts'

const { app, database } = await setUp(t)
const { admin } = database
const list = async (user: TestUser, query = '') => (await user.ask('GET', `/todos${query}`)).json()
const fill = (user: TestUser, count: number) => admin`
  insert into todos (user_id, id, title, folded_title, priority)
  select ${user.id}, gen_random_uuid(), 'a', 'a', n % 4 from generate_series(1, ${count}) n`

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

t.test('pages by cursor links from the first page on, unless an offset is sent', async (t) => {
  const user = await signUp(app)
  await fill(user, 5)
  const link = async (query: string) => String((await user.ask('GET', `/todos?${query}`)).headers.link)
  t.match(await link('limit=2&tag=a&tag=b'), /^<\/todos\?tag=a&tag=b&sort=-created_at&limit=2>; rel="first"$/)
  t.match(await link('limit=2'), /cursor=[\w.-]+>; rel="next"$/)
  t.notMatch(await link('limit=2'), 'offset')
  t.match(await link('limit=2&offset=0'), /offset=2>; rel="next"$/)
  t.notMatch(await link('limit=2&offset=0'), 'cursor')
})

t.test('leaves out of Link what would make it too long for a header', async (t) => {
  const user = await signUp(app)
  await fill(user, 3)
  const words = ['a', 'b'].map((letter) => letter.repeat(50))
  const tags = Array.from({ length: 20 }, (_, n) => `${words[n % 2]?.slice(2)}${n + 10}`)
  const makeQuery = (tags: string[]) =>
    `limit=1&${tags.map((tag) => `tag=${encodeURIComponent(tag)}`).join('&')}`
  await admin`update todos set tags = ${tags} where user_id = ${user.id}`
  t.match((await user.ask('GET', `/todos?${makeQuery(tags)}`)).headers.link, /rel="first".*rel="next"/)
  const long = tags.map((_, n) => `${'é'.repeat(48)}${n + 10}`)
  await admin`update todos set tags = ${long} where user_id = ${user.id}`
  const answer = await user.ask('GET', `/todos?${makeQuery(long)}`)
  t.match(answer.headers.link, /^<[^>]*cursor=[^>]*>; rel="next"$/)
  t.equal(
    (await user.ask('GET', /<(.*)>/.exec(`${answer.headers.link}`)?.[1] as string)).json().data.length,
    1,
  )
  const longest = tags.map((_, n) => `${'\u{20000}'.repeat(49)}${n.toString(36)}`)
  await admin`update todos set tags = ${longest} where user_id = ${user.id}`
  const none = await user.ask('GET', `/todos?${makeQuery(longest)}`)
  t.match(none.json(), { has_more: true, next_cursor: String })
  t.notOk('link' in none.headers)
  t.match((await user.ask('GET', `/todos?${makeQuery([...tags, 'x'])}`)).json().errors, [
    { parameter: 'tag', code: 'too_many_items' },
  ])
})
