import { randomUUID } from 'node:crypto'
import t from 'tap'
import { createApp, logIn, password, setUp, signUp } from '../support/app.ts'
import { startProxy } from '../support/tcp-proxy.ts'

const { database } = await setUp(t)
const proxy = await startProxy(t, database.url)
const app = await createApp(t, proxy, { DATABASE_POOL_SIZE: '1' })
const user = await signUp(app)
const { id } = (await user.ask('POST', '/todos', { title: 'first' })).json()

const routes = [
  ['GET', '/todos', undefined],
  ['GET', `/todos/${id}`, undefined],
  ['GET', '/todos/changes', undefined],
  ['GET', '/trash', undefined],
  ['GET', '/me', undefined],
  ['POST', '/todos', { title: 'another' }],
  ['PATCH', `/todos/${id}`, { title: 'changed' }],
  ['GET', '/me/sessions', undefined],
  ['GET', '/me/events', undefined],
  ['GET', '/tokens', undefined],
  ['POST', '/tokens', { name: 'a', scopes: ['account'] }],
  ['DELETE', `/todos/${id}`, undefined],
] as const

t.test('costs one round trip for every route of one statement', async (t) => {
  // The first use of a statement on a connection also asks for its types; after that it is prepared.
  for (const [method, url, body] of routes.slice(0, -1)) await user.ask(method, url, body)
  await user.ask('DELETE', `/todos/${(await user.ask('POST', '/todos', { title: 'x' })).json().id}`)
  for (const [method, url, body] of routes) {
    proxy.flights = ''
    t.match(await user.ask(method, url, body), { statusCode: /^20/ }, `${method} ${url}`)
    t.equal(proxy.flights, '><', `${method} ${url}`)
  }
  const other = await logIn(app, user.email)
  proxy.flights = ''
  await other.ask('POST', '/logout')
  t.equal(proxy.flights, '><', 'POST /logout')
})

t.test('costs one round trip too where the write is to happen once, and a batch two', async (t) => {
  const { id } = (await user.ask('POST', '/todos', { title: 'a' })).json()
  const operations = Array.from({ length: 5 }, () => ({ op: 'create', todo: { title: 'a' } }))
  const writes = [
    ['POST', '/todos', { title: 'a' }, '><'],
    ['PATCH', `/todos/${id}`, { title: 'b' }, '><'],
    ['POST', '/todos/batch', { operations }, '><><'],
  ] as const
  for (const [method, url, body, flights] of writes) {
    await user.ask(method, url, body, { 'idempotency-key': randomUUID() })
    proxy.flights = ''
    const answer = await user.ask(method, url, body, { 'idempotency-key': randomUUID() })
    t.match(answer, { statusCode: /^20/ })
    t.equal(proxy.flights, flights, `${method} ${url}`)
  }
})

t.test('sends four prepared statements, however many todos there are', async (t) => {
  /** Execute messages of the extended protocol: 'E', a length of 9, an empty portal name, no row limit. */
  const executed = () => proxy.sent.split('E\0\0\0\t\0\0\0\0\0').length - 1
  const parsed = () => proxy.sent.split('begin').length - 1 + (proxy.sent.split('authenticate').length - 1)
  for (const todos of [0, 50]) {
    for (let n = 0; n < todos; n++) await user.ask('POST', '/todos', { title: String(n) })
    await user.ask('GET', '/todos?limit=100')
    proxy.sent = ''
    t.equal((await user.ask('GET', '/todos?limit=100')).json().data.length >= todos, true)
    t.equal(executed(), 4, 'begin, authenticate, select, commit')
    t.equal(parsed(), 0, 'all of them prepared before')
  }
})

t.test('holds no connection while a password is hashed', async (t) => {
  proxy.flights = ''
  await app.inject({ method: 'POST', url: '/login', payload: { email: user.email, password } })
  t.equal(proxy.flights.replaceAll('><', '|').length <= 3, true, 'two short visits')
})
