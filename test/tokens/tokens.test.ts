import t from 'tap'
import { createSecret, writeToken } from '../../src/credentials/opaque-tokens.ts'
import { askWith, createApp, problem, setUp, signUp, type TestUser } from '../support/app.ts'
import { until } from '../support/until.ts'

const { app, database } = await setUp(t)
const all = ['todos:read', 'todos:write', 'account']
const make = async (ask: TestUser['ask'], scopes: string[], more: object = {}) =>
  ask('POST', '/tokens', { name: 'a script', scopes, ...more })

t.test('makes a token that is shown once and kept as a hash', async (t) => {
  const user = await signUp(app)
  const answer = await make(user.ask, ['todos:read'])
  t.equal(answer.statusCode, 201)
  t.equal(answer.headers['cache-control'], 'no-store')
  const { token, ...rest } = answer.json()
  t.match(token, /^todo_pat_[\w-]{70}$/)
  t.match(rest, { name: 'a script', scopes: ['todos:read'], last_used_at: null, expires_at: null })
  const list = (await user.ask('GET', '/tokens')).json()
  t.same(list, { data: [rest], limit: 20, offset: 0, has_more: false })
  const [row] =
    await database.admin`select to_jsonb(t) as row from identity.access_tokens t where id = ${rest.id}`
  t.notMatch(JSON.stringify(row), token.slice(9, 40))
})

t.test('opens what its scopes allow, and nothing else', async (t) => {
  const user = await signUp(app)
  const { id } = (await user.ask('POST', '/todos', { title: 'mine' })).json()
  const routes = [
    ['GET', '/todos', 'todos:read'],
    ['GET', `/todos/${id}`, 'todos:read'],
    ['POST', '/todos', 'todos:write', { title: 'another' }],
    ['PATCH', `/todos/${id}`, 'todos:write', { title: 'changed' }],
    ['GET', '/me', 'account'],
    ['GET', '/me/export', 'account'],
    ['GET', '/me/sessions', 'account'],
    ['GET', '/me/events', 'account'],
    ['GET', '/tokens', 'account'],
    ['POST', '/tokens', 'account', { name: 'a', scopes: ['account'] }],
    ['DELETE', `/todos/${id}`, 'todos:write'],
  ] as const
  const tokens = Object.fromEntries(
    await Promise.all(
      all.map(async (scope) => [scope, askWith(app, (await make(user.ask, [scope])).json().token)] as const),
    ),
  )
  for (const [method, url, needed, body] of routes) {
    for (const scope of all.filter((scope) => scope !== needed)) {
      const answer = (await tokens[scope]?.(method, url, body)) as Awaited<ReturnType<TestUser['ask']>>
      problem(t, answer, 403, 'insufficient_scope')
      t.equal(
        answer.headers['www-authenticate'],
        `Bearer realm="todo", error="insufficient_scope", scope="${needed}"`,
        `${method} ${url} with ${scope}`,
      )
    }
    t.match(
      await tokens[needed]?.(method, url, body),
      { statusCode: /^20/ },
      `${method} ${url} with ${needed}`,
    )
  }
})

t.test('gives no token more than its maker may do', async (t) => {
  const user = await signUp(app)
  const maker = askWith(app, (await make(user.ask, ['account', 'todos:read'])).json().token)
  t.equal((await make(maker, ['account', 'todos:read'])).statusCode, 201)
  const answer = await make(maker, ['todos:read', 'todos:write'])
  problem(t, answer, 403, 'insufficient_scope')
  t.match(answer.headers['www-authenticate'], /scope="account todos:read todos:write"/)
  t.equal((await user.ask('GET', '/tokens')).json().data.length, 2)
})

t.test('tells a mistyped token without the database', async (t) => {
  const lost = await createApp(t, { url: 'postgres://nobody:x@127.0.0.1:1/none' })
  const token = writeToken('access', '01a20986-2898-7299-9c1d-1c51cff2f991', createSecret())
  problem(t, await askWith(lost, `${token.slice(0, -1)}-`)('GET', '/todos'), 401, 'invalid_token')
  problem(t, await askWith(lost, token)('GET', '/todos'), 503, 'unavailable')
  problem(t, await askWith(app, token)('GET', '/todos'), 401, 'revoked_token')
})

t.test('writes when it was last used, at most once a minute, apart from the request', async (t) => {
  const user = await signUp(app)
  const { id, token } = (await make(user.ask, all)).json()
  const ask = askWith(app, token)
  const lastUse = async () => {
    const [row] =
      await database.admin`select last_used_at::text as at from identity.access_tokens where id = ${id}`
    return row?.at as string | null
  }
  const untilUsed = async (since: string | null) => {
    await until('the last use is written', async () => (await lastUse()) !== since)
    return `${await lastUse()}`
  }
  await Promise.all(Array.from({ length: 5 }, () => ask('GET', '/todos')))
  const first = await untilUsed(null)
  await ask('POST', '/todos', { title: 'a' })
  t.equal(await lastUse(), first, 'not again within the minute')
  await database.admin`
    update identity.access_tokens set last_used_at = last_used_at - interval '61 seconds' where id = ${id}`
  const earlier = await lastUse()
  await ask('GET', '/todos')
  t.ok((await untilUsed(earlier)) > first)
  t.match((await user.ask('GET', '/tokens')).json().data, [{ id, last_used_at: /Z$/ }])
})

t.test('expires when it was told to', async (t) => {
  const user = await signUp(app)
  const soon = new Date(Date.now() + 3_600_000).toISOString()
  const answer = await make(user.ask, all, { expires_at: soon })
  t.equal(Date.parse(answer.json().expires_at), Date.parse(soon))
  const past = await make(user.ask, all, { expires_at: '2026-01-01T00:00:00Z' })
  problem(t, past, 400, 'invalid_request')
  t.match(past.json().errors, [{ pointer: '/expires_at', message: 'must be in the future' }])
})

t.test('refuses a bad name, bad scopes and unknown members', async (t) => {
  const user = await signUp(app)
  const bad: [object, string][] = [
    [{ scopes: all }, '/name'],
    [{ name: ' ', scopes: all }, '/name'],
    [{ name: 'x'.repeat(101), scopes: all }, '/name'],
    [{ name: 'a' }, '/scopes'],
    [{ name: 'a', scopes: [] }, '/scopes'],
    [{ name: 'a', scopes: ['root'] }, '/scopes/0'],
    [{ name: 'a', scopes: ['account', 'account'] }, '/scopes'],
    [{ name: 'a', scopes: all, expires_at: 'tomorrow' }, '/expires_at'],
    [{ name: 'a', scopes: all, hash: 'x' }, '/hash'],
  ]
  for (const [body, pointer] of bad) {
    const answer = await user.ask('POST', '/tokens', body)
    problem(t, answer, 400, 'invalid_request')
    t.match(answer.json().errors[0], { pointer }, JSON.stringify(body))
  }
})
