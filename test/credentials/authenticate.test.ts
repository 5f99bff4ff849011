import { createHmac, randomUUID } from 'node:crypto'
import t from 'tap'
import { changeAccount, deleteMe, endSession } from '../../src/account/sql.ts'
import { type OpaqueToken, parseToken, sha256 } from '../../src/credentials/opaque-tokens.ts'
import type { Tx } from '../../src/database/transaction.ts'
import { ANY_VERSION } from '../../src/http/conditional.ts'
import { toApiError } from '../../src/http/problems.ts'
import { createTodo, deleteTodo, getTodo, updateTodo } from '../../src/todos/sql.ts'
import { createToken } from '../../src/tokens/sql.ts'
import { createApp, problem, setUp, signUp, testing } from '../support/app.ts'

const { app, database } = await setUp(t)
const user = await signUp(app)
const [header, payload] = user.token.split('.') as [string, string]
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const decode = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString())
const sign = (head: object, claims: object, secret = testing.JWT_SECRET) => {
  const input = `${encode(head)}.${encode(claims)}`
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
}
const head = decode(header)
const claims = decode(payload)
const ask = (authorization?: string) =>
  app.inject({ url: '/todos', headers: authorization === undefined ? {} : { authorization } })

t.test('takes the token that login gave', async (t) => {
  t.same(head, { alg: 'HS256', typ: 'at+jwt' })
  t.same(Object.keys(claims).sort(), [
    'aud',
    'exp',
    'iat',
    'iss',
    'jti',
    'scope',
    'session_secret',
    'sid',
    'sub',
  ])
  t.equal((await ask(`Bearer ${sign(head, claims)}`)).statusCode, 200, 'and one signed like it')
  t.equal((await ask(`bearer ${user.token}`)).statusCode, 200, 'the scheme is case-insensitive')
})

t.test('returns 401 missing_token without a bearer token', async (t) => {
  for (const authorization of [undefined, '', 'Basic YTpi', 'Bearer']) {
    const answer = await ask(authorization)
    problem(t, answer, 401, authorization === 'Bearer' ? 'invalid_token' : 'missing_token')
    t.match(answer.headers['www-authenticate'], /^Bearer realm="todo"/)
  }
})

t.test('returns 401 expired_token after the token has expired', async (t) => {
  let now = Date.now()
  const later = await createApp(t, database, {}, { now: () => now })
  const someone = await signUp(later)
  now += 899_000
  t.equal((await someone.ask('GET', '/todos')).statusCode, 200)
  now += 1_000
  problem(t, await someone.ask('GET', '/todos'), 401, 'expired_token')
})

t.test('returns 401 revoked_token as soon as the session has ended', async (t) => {
  const someone = await signUp(app)
  t.equal((await someone.ask('POST', '/todos', { title: 'before' })).statusCode, 201)
  await database.admin`delete from identity.sessions where user_id = ${someone.id}`
  problem(t, await someone.ask('GET', '/todos'), 401, 'revoked_token')
  problem(t, await someone.ask('POST', '/todos', { title: 'after' }), 401, 'revoked_token')
  const [row] = await database.admin`select count(*)::int as n from todos where user_id = ${someone.id}`
  t.equal(row?.n, 1, 'and nothing was written')
})

t.test('returns 401 revoked_token when the session has expired or its user was deleted', async (t) => {
  const [a, b] = [await signUp(app), await signUp(app)]
  await database.admin`update identity.sessions set expires_at = now() where user_id = ${a.id}`
  await database.admin`delete from users where id = ${b.id}`
  problem(t, await a.ask('GET', '/me'), 401, 'revoked_token')
  problem(t, await b.ask('GET', '/me'), 401, 'revoked_token')
})

t.test('returns 403 insufficient_scope and names the required scope', async (t) => {
  const reader = sign(head, { ...claims, scope: 'todos:read' })
  const authorization = `Bearer ${reader}`
  t.equal((await ask(authorization)).statusCode, 200)
  const answer = await app.inject({ url: '/me', headers: { authorization } })
  problem(t, answer, 403, 'insufficient_scope')
  t.match(answer.headers['www-authenticate'], /error="insufficient_scope", scope="account"/)
})

t.test(
  'lets the database refuse a write that the session has no scope for, though the token claims it',
  async (t) => {
    const someone = await signUp(app)
    const { id } = (await someone.ask('POST', '/todos', { title: 'mine' })).json()
    await database.admin`update identity.sessions set scopes = '{todos:read}' where user_id = ${someone.id}`
    problem(t, await someone.ask('POST', '/todos', { title: 'refused' }), 403, 'insufficient_scope')
    problem(t, await someone.ask('PATCH', `/todos/${id}`, { title: 'refused' }), 403, 'insufficient_scope')
    problem(t, await someone.ask('DELETE', `/todos/${id}`), 403, 'insufficient_scope')
    t.equal((await someone.ask('GET', `/todos/${id}`)).json().title, 'mine')
  },
)

t.test('lets no handler write that forgot to ask for the scope', async (t) => {
  const someone = await signUp(app)
  const { id } = (await someone.ask('POST', '/todos', { title: 'mine' })).json()
  const { token } = (await someone.ask('POST', '/tokens', { name: 'reader', scopes: ['todos:read'] })).json()
  const { user_id, secret } = parseToken('access', token) as OpaqueToken
  // Exactly what the routes do, but for the scopes that they need.
  const forgetful = { user_id, session_id: null, secret }
  const write = <T>(run: (tx: Tx) => Promise<T>) => app.database.withUser(forgetful, 'read write', run)
  const client = { ip: '127.0.0.1', user_agent: null }
  const ids = { id: randomUUID(), eventId: randomUUID() }
  const newToken = { name: 'a', scopes: ['todos:read' as const] }
  t.equal((await write((tx) => getTodo(tx, id)))[0]?.title, 'mine')

  const refused = await write((tx) => createTodo(tx, randomUUID(), { title: 'refused' })).catch((error) =>
    toApiError(error),
  )
  t.match(refused, { code: 'insufficient_scope' }, 'refused by the policy, which the client is told')
  await t.rejects(
    write((tx) => createToken(tx, ids, sha256(secret), newToken, client)),
    { code: '42501' },
  )
  t.same(await write((tx) => updateTodo(tx, id, { title: 'refused' }, ANY_VERSION)), [])
  t.same(await write((tx) => deleteTodo(tx, id, ANY_VERSION, 30)), [])
  t.same(await write((tx) => endSession(tx, decode(someone.token.split('.')[1] as string).sid)), [])
  t.same(await write(deleteMe), [])
  const change = {
    email: 'x@example.com',
    emailFolded: 'x@example.com',
    currentHash: '',
    newHash: undefined,
    confirm: false,
    hidden: false,
    eventIds: [],
  }
  t.same(await write((tx) => changeAccount(tx, change, client)), [])
  t.equal((await someone.ask('GET', `/todos/${id}`)).json().title, 'mine')
  t.equal((await someone.ask('PATCH', `/todos/${id}`, { title: 'changed' })).statusCode, 200)
})
