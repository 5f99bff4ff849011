import Fastify from 'fastify'
import t from 'tap'
import contract from '../../src/http/contract.ts'
import { handleErrors } from '../../src/http/problems.ts'
import { problem, setUp, signUp } from '../support/app.ts'

const { app } = await setUp(t)
const user = await signUp(app)
const send = (payload: string | Buffer, contentType?: string) =>
  app.inject({
    method: 'POST',
    url: '/todos',
    headers: { authorization: `Bearer ${user.token}`, ...(contentType && { 'content-type': contentType }) },
    payload,
  })

t.test('refuses a body that is not JSON', async (t) => {
  for (const body of ['{', '', 'title', '{"title":"a",}', Buffer.from([0x22, 0xff, 0x22])])
    problem(t, await send(body, 'application/json'), 400, 'malformed_json')
  const answer = await send(Buffer.from('{"title":"\xff"}', 'latin1'), 'application/json')
  t.equal(answer.json().detail, 'The body is not valid UTF-8.')
})

t.test('names a member that could pollute a prototype as any unknown member, at any depth', async (t) => {
  const { id } = (await user.ask('POST', '/todos', { title: 'a' })).json()
  const json = { 'content-type': 'application/json' }
  const poisons = [
    ['__proto__', '{"isAdmin":true,"title":"b","tags":["x"]}'],
    ['__proto__', 'null'],
    ['constructor', '{"prototype":{"isAdmin":true}}'],
    ['prototype', '{"isAdmin":true}'],
    ['toString', '1'],
  ]
  for (const [name, value] of poisons) {
    const member = `"${name}":${value}`
    const operations = (operation: string) =>
      `{"operations":[{"op":"create","todo":{"title":"a"}},${operation}]}`
    for (const [method, url, body, at] of [
      ['POST', '/todos', `{"title":"a",${member}}`, ''],
      ['PATCH', `/todos/${id}`, `{${member}}`, ''],
      ['PATCH', '/me', `{"current_password":"x",${member}}`, ''],
      ['POST', '/tokens', `{"name":"a","scopes":["account"],${member}}`, ''],
      ['POST', '/logout', `{${member}}`, ''],
      ['POST', '/todos/batch', `{"operations":[],${member}}`, ''],
      [
        'POST',
        '/todos/batch',
        operations(`{"op":"create","todo":{"title":"a",${member}}}`),
        '/operations/1/todo',
      ],
      [
        'POST',
        '/todos/batch',
        operations(`{"op":"update","id":"${id}","todo":{${member}}}`),
        '/operations/1/todo',
      ],
      ['POST', '/todos/batch', operations(`{"op":"delete","id":"${id}",${member}}`), '/operations/1'],
    ] as const) {
      const answer = await user.ask(method, url, body, json)
      problem(t, answer, 400, 'invalid_request')
      const found = { pointer: `${at}/${name}`, code: 'unknown_member' }
      t.match(answer.json().errors.at(-1), found, `${method} ${url} ${body}`)
    }
    // What is required is not taken from a prototype.
    const missing = (await user.ask('POST', '/todos', `{${member}}`, json)).json().errors
    t.match(missing, [{ pointer: '/title', code: 'required' }, { pointer: `/${name}` }])
    const kind = (
      await user.ask('POST', '/todos/batch', operations(`{"${name}":{"op":"delete"}}`), json)
    ).json()
    t.match(kind.errors, [{ pointer: '/operations/1/op', code: 'required' }])
  }
  t.equal(({} as Record<string, unknown>).isAdmin, undefined, 'no prototype has changed')
  t.match((await user.ask('GET', `/todos/${id}`)).json(), { title: 'a', tags: [], version: 1 })
  problem(t, await user.ask('POST', '/todos', '{"title":"a","__proto__":}', json), 400, 'malformed_json')
})

t.test('refuses another content type', async (t) => {
  for (const type of [
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/xml',
  ])
    problem(t, await send('{"title":"a"}', type), 415, 'unsupported_media_type')
})

t.test('refuses a body that is too large', async (t) => {
  problem(
    t,
    await send(JSON.stringify({ title: 'x'.repeat(300_000) }), 'application/json'),
    413,
    'payload_too_large',
  )
})

t.test('accepts the longest todo with every character escaped', async (t) => {
  const notes = '\\ud83c\\udf31'.repeat(10_000)
  const answer = await send(`{"title":"a","notes":"${notes}"}`, 'application/json')
  t.equal(answer.statusCode, 201)
  t.equal(answer.json().notes, '🌱'.repeat(10_000))
})

t.test('reports at most twenty members', async (t) => {
  const members = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`m${n}`, 1]))
  const answer = await user.ask('POST', '/todos', members)
  t.equal(answer.json().errors.length, 20)
})

t.test('returns 404 for an unknown path', async (t) => {
  problem(t, await app.inject('/nothing'), 404, 'not_found')
  problem(t, await app.inject('/nothing?x=1'), 404, 'not_found')
  t.equal((await app.inject('/nothing?x=1')).json().instance, '/nothing')
  problem(t, await app.inject('/%zz'), 400, 'invalid_request')
})

t.test('returns 405 with Allow when the path exists (RFC 9110, 15.5.6)', async (t) => {
  const cases = [
    ['PUT', '/todos', 'GET, HEAD, POST, DELETE'],
    ['POST', '/todos/1', 'GET, HEAD, PATCH, DELETE'],
    ['GET', '/login', 'POST'],
    ['DELETE', '/health', 'GET, HEAD'],
  ] as const
  for (const [method, url, allow] of cases) {
    const answer = await app.inject({ method, url })
    problem(t, answer, 405, 'method_not_allowed')
    t.equal(answer.headers.allow, allow)
  }
})

t.test('responds to HEAD like GET, without the body (RFC 9110, 9.3.2)', async (t) => {
  const get = await user.ask('GET', '/todos')
  const head = await user.ask('HEAD', '/todos')
  t.equal(head.statusCode, 200)
  t.equal(head.headers['content-length'], get.headers['content-length'])
  t.equal(head.body, '')
})

t.test('fails at boot when a route has no response schema', async (t) => {
  const bare = Fastify()
  await bare.register(contract)
  t.throws(() => bare.get('/bare', async () => 'x'), /GET \/bare has no response schema/)
})

t.test('hides internal errors from the client', async (t) => {
  const broken = Fastify()
  handleErrors(broken)
  broken.get('/throws', async () => {
    throw new Error('the password is hunter2')
  })
  broken.get('/odd', async () => {
    throw Object.assign(new Error('odd'), { statusCode: 418 })
  })
  const answer = await broken.inject('/throws')
  problem(t, answer, 500, 'internal')
  t.notMatch(answer.body, 'hunter2')
  problem(t, await broken.inject('/odd'), 400, 'invalid_request')
})
