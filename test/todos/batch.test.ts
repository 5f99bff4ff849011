import { randomUUID } from 'node:crypto'
import t from 'tap'
import { problem, setUp, signUp } from '../support/app.ts'

const { app } = await setUp(t)
const create = (title: string) => ({ op: 'create', todo: { title } })

t.test('runs the operations in their order, in one transaction', async (t) => {
  const user = await signUp(app)
  const [a, b] = (await user.ask('POST', '/todos/batch', { operations: [create('a'), create('b')] })).json()
    .results
  t.match([a, b], [{ op: 'create', todo: { title: 'a', version: 1 } }, { todo: { title: 'b' } }])
  const operations = [
    { op: 'update', id: a.id, todo: { title: 'a2' } },
    { op: 'update', id: a.id, todo: { completed: true } },
    { op: 'delete', id: b.id },
    create('c'),
  ]
  const answer = await user.ask('POST', '/todos/batch', { operations })
  t.equal(answer.statusCode, 200)
  t.match(answer.json().results, [
    { op: 'update', id: a.id, todo: { title: 'a2', version: 2 } },
    { op: 'update', todo: { title: 'a2', completed: true, version: 3 } },
    { op: 'delete', id: b.id },
    { op: 'create', todo: { title: 'c' } },
  ])
  t.notOk('todo' in answer.json().results[2])
  t.same(
    (await user.ask('GET', '/todos')).json().data.map(({ title }: { title: string }) => title),
    ['c', 'a2'],
  )
})

t.test('does nothing when one fails, and says which', async (t) => {
  const [user, bob] = [await signUp(app), await signUp(app)]
  const { id } = (await user.ask('POST', '/todos', { title: 'a' })).json()
  const his = (await bob.ask('POST', '/todos', { title: 'his' })).json().id
  for (const missing of [randomUUID(), his])
    for (const failing of [
      { op: 'delete', id: missing },
      { op: 'update', id: missing, todo: {} },
    ]) {
      const operations = [create('b'), { op: 'delete', id }, failing, create('c')]
      const answer = await user.ask('POST', '/todos/batch', { operations })
      problem(t, answer, 404, 'not_found')
      t.match(answer.json().errors, [{ pointer: '/operations/2/id', code: 'not_found' }])
    }
  t.match((await user.ask('GET', '/todos?count=exact')).json(), { total: 1, data: [{ id, title: 'a' }] })
  t.equal((await bob.ask('GET', `/todos/${his}`)).json().title, 'his')
})

t.test('names the wrong member of a bad operation', async (t) => {
  const user = await signUp(app)
  const bad: [unknown, string][] = [
    [{}, '/operations/1/op'],
    [{ op: 'upsert', todo: { title: 'a' } }, '/operations/1/op'],
    [{ op: 'create' }, '/operations/1/todo'],
    [{ op: 'create', todo: {} }, '/operations/1/todo/title'],
    [{ op: 'create', id: randomUUID(), todo: { title: 'a' } }, '/operations/1/id'],
    [{ op: 'update', id: 'x', todo: {} }, '/operations/1/id'],
    [{ op: 'update', todo: {} }, '/operations/1/id'],
    [{ op: 'delete', id: randomUUID(), todo: {} }, '/operations/1/todo'],
    ['delete', '/operations/1'],
  ]
  for (const [operation, pointer] of bad) {
    const answer = await user.ask('POST', '/todos/batch', { operations: [create('a'), operation] })
    problem(t, answer, 400, 'invalid_request')
    t.match(answer.json().errors[0], { pointer }, JSON.stringify(operation))
  }
  for (const operations of [[], Array(101).fill(create('a')), 'x', undefined])
    problem(t, await user.ask('POST', '/todos/batch', { operations }), 400, 'invalid_request')
  const most = await user.ask('POST', '/todos/batch', { operations: Array(100).fill(create('a')) })
  t.equal(most.json().results.length, 100)
})

t.test('happens once for an Idempotency-Key', async (t) => {
  const user = await signUp(app)
  const headers = { 'idempotency-key': randomUUID() }
  const send = () => user.ask('POST', '/todos/batch', { operations: [create('a'), create('b')] }, headers)
  const [first, retry] = [await send(), await send()]
  t.equal(retry.headers['idempotent-replayed'], 'true')
  t.equal(retry.body, first.body)
  t.equal((await user.ask('GET', '/todos?count=exact')).json().total, 2)
})

t.test('deletes the completed todos, the others, or all', async (t) => {
  const [user, bob] = [await signUp(app), await signUp(app)]
  await bob.ask('POST', '/todos', { title: 'his', completed: true })
  for (const completed of [true, true, false]) await user.ask('POST', '/todos', { title: 'a', completed })
  for (const url of ['/todos', '/todos?all=true&completed=true', '/todos?all=false', '/todos?limit=1'])
    problem(t, await user.ask('DELETE', url), 400, 'invalid_request')
  t.same((await user.ask('DELETE', '/todos?completed=true')).json(), { deleted: 2 })
  t.same((await user.ask('DELETE', '/todos?completed=true')).json(), { deleted: 0 })
  await user.ask('POST', '/todos', { title: 'b', completed: true })
  t.same((await user.ask('DELETE', '/todos?all=true')).json(), { deleted: 2 })
  t.equal((await bob.ask('GET', '/todos')).json().data.length, 1, "nobody else's")
})
