import t from 'tap'
import { loadConfig } from '../../src/config.ts'
import { Headers } from '../../src/http/schemas.ts'
import type { ListedTodo } from '../../src/todos/list.ts'
import { sortKeys, TodoQuery } from '../../src/todos/list-schema.ts'
import { createCursors, toTodoPage } from '../../src/todos/pages.ts'
import type { Todo } from '../../src/todos/schema.ts'
import { setUp, signUp, testing } from '../support/app.ts'

// What the API returns it takes back, at the limits of every input.

const { app, database } = await setUp(t)
const config = loadConfig({ ...testing, DATABASE_URL: database.url })
const { maxLength } = TodoQuery.properties.cursor as { maxLength: number }
const longest = '\u{20000}'
const titles = [
  longest.repeat(200),
  '\u0001'.repeat(199).concat('x'),
  '"'.repeat(200),
  '\\'.repeat(200),
  'ﷺ'.repeat(200),
  'ﷺ'.repeat(199).concat('z'),
  'x:y',
  ':',
  'a\nb',
]
/** Node's limit for the headers of a response, without those that every response has. */
const HEADERS = 16 * 1024 - 3000

t.test('takes back every cursor and link that it returns', async (t) => {
  const user = await signUp(app)
  const tag = longest.repeat(50)
  const ids: string[] = []
  for (const title of titles)
    ids.unshift(
      (
        await user.ask('POST', '/todos', {
          title,
          tags: [tag],
          due_at: '2999-12-31T23:59:59.999999Z',
          position: -2147483648,
        })
      ).json().id,
    )
  await user.ask('PATCH', `/todos/${ids[0]}`, { due_at: null })
  const due = ['1900-01-01T00:00:00.000000-15:59', '2999-12-31T23:59:59.999999+15:59'].map(encodeURIComponent)
  for (const filters of [
    '',
    `&tag=${encodeURIComponent(tag)}&completed=false&priority=0`,
    `&due_from=${due[0]}&due_before=${due[1]}`,
  ])
    for (const key of sortKeys)
      for (const sort of [key, `-${key}`]) {
        const all = (await user.ask('GET', `/todos?limit=100&sort=${sort}${filters}`)).json().data
        const seen: string[] = []
        let url: string | undefined = `/todos?limit=1&sort=${sort}${filters}`
        while (url) {
          const answer = await user.ask('GET', url)
          t.equal(answer.statusCode, 200, `${sort} ${answer.body.slice(0, 300)}`)
          const link = String(answer.headers.link)
          const { data, next_cursor } = answer.json()
          t.ok((next_cursor ?? '').length <= maxLength && link.length <= Number(Headers.link.maxLength))
          seen.push(...data.map(({ id }: Todo) => id))
          const [previous] = /(?<=<)[^>]*(?=>; rel="prev")/.exec(link) ?? []
          if (previous) {
            const back = (await user.ask('GET', previous)).json().data
            t.same(
              back.map(({ id }: Todo) => id),
              seen.slice(-2, -1),
              `${sort}, back`,
            )
          }
          url = /(?<=<)[^>]*(?=>; rel="next")/.exec(link)?.[0]
        }
        t.same(
          seen,
          all.map(({ id }: Todo) => id),
          sort,
        )
      }
})

t.test('documents how long a cursor and the header Link can be', async (t) => {
  const id = '0198f2c4-7d1a-7c3e-9f55-0d6a4f0b1c2d'
  const cursors = createCursors(config)
  const date = '2999-12-31T23:59:59.999999+15:59'
  const query = {
    completed: false,
    priority: 3,
    tag: [longest.repeat(50)],
    q: longest.repeat(200),
    due_before: date,
    due_from: date,
    sort: '-title' as const,
    limit: 100,
  }
  const rows = Array.from({ length: 101 }, () => ({ id, sort_key: longest.repeat(200) }) as ListedTodo)
  const place = { kind: 'after', key: longest, id } as const
  const { page, link } = toTodoPage(rows, place, query, id, cursors)
  t.equal(page.next_cursor?.length, maxLength, 'the maximum is reached, and so it is not too large')
  t.match(link, /rel="first".*rel="prev".*rel="next"/)
  t.ok(link.length <= Number(Headers.link.maxLength), `${link.length} characters`)
  t.ok(link.length > Number(Headers.link.maxLength) * 0.9, 'nor is this one')
  t.ok(link.length < HEADERS)
  t.match(cursors.read(id, { ...query, cursor: `${page.next_cursor}` }), {
    kind: 'after',
    id,
    key: longest.repeat(200),
  })
  const [url = ''] = /(?<=<)[^>]*(?=>; rel="next")/.exec(link) ?? []
  const user = await signUp(app)
  const answer = await user.ask('GET', url)
  // Signed for another user, and nothing else is wrong with it.
  t.match(answer.json(), { code: 'invalid_cursor' })
})

t.test('sends a page of megabytes whole, with its length', async (t) => {
  const user = await signUp(app)
  // A surrogate pair at every other place, so that a careless cut would be seen.
  const notes = ['\u0001🌱'.repeat(5000), `x${'🌱'.repeat(9999)}`]
  for (let n = 0; n < 10; n++) await user.ask('POST', '/todos', { title: 'a', notes: notes[n % 2] })
  const answer = await user.ask('GET', '/todos')
  t.equal(Number(answer.headers['content-length']), answer.rawPayload.length)
  t.ok(answer.rawPayload.length > 400_000)
  t.same(
    answer.json().data.map((todo: Todo) => todo.notes),
    Array.from({ length: 10 }, (_, n) => notes[(n + 1) % 2]),
  )
  const head = await user.ask('HEAD', '/todos')
  t.equal(head.headers['content-length'], answer.headers['content-length'])
})
