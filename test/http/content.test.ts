import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import type { InjectOptions } from 'fastify'
import t from 'tap'
import { problem, setUp, signUp } from '../support/app.ts'
import { parseResponses, sendText } from '../support/raw-http.ts'

const { app } = await setUp(t, { SECURITY_CONTACT: 'mailto:security@example.com' })
const user = await signUp(app)
await app.listen({ port: 0, host: '127.0.0.1' })
const { port } = app.server.address() as AddressInfo

async function send(start: string, token: string, headers: string[], content = '') {
  const head = [`${start} HTTP/1.1`, 'Host: localhost', 'Connection: close', `Authorization: Bearer ${token}`]
  const text = await sendText(port, `${[...head, ...headers].join('\r\n')}\r\n\r\n${content}`)
  return parseResponses(text)[0]
}
/** Ways to say that there is no content. */
const empty = ['', 'application/json', 'text/plain', 'nonsense']
  .flatMap((type) => [
    { type, length: '', content: '' },
    { type, length: 'Content-Length: 0', content: '' },
    { type, length: 'Transfer-Encoding: chunked', content: '0\r\n\r\n' },
  ])
  // What is chunked is empty only once it has been read, so its type must be one that can be.
  .filter(({ type, content }) => content === '' || ['', 'application/json'].includes(type))
  .map(({ type, length, content }) => ({
    headers: [length, type && `Content-Type: ${type}`].filter(Boolean),
    content,
  }))

t.test('needs no body where none is needed, however it is left out', async (t) => {
  for (const { headers, content } of empty) {
    const title = headers.join(', ')
    const { token, ask } = await signUp(app)
    const { id } = (await ask('POST', '/todos', { title: 'a' })).json()
    t.match(await send(`DELETE /todos/${id}`, token, headers, content), { status: 204 }, title)
    t.match(await send('DELETE /todos?all=true', token, headers, content), { status: 200 }, title)
    t.match(await send('POST /logout', token, headers, content), { status: 204 }, title)
    t.equal((await ask('GET', '/me')).statusCode, 401, 'logged out')
  }
})

t.test('ignores any body of a request that takes none', async (t) => {
  for (const [type, content] of [
    ['application/json', '{'],
    ['text/plain', 'x'],
    ['nonsense', 'x'],
    ['application/json', 'x'.repeat(300_000)],
  ] as const) {
    const { id } = (await user.ask('POST', '/todos', { title: 'a' })).json()
    const headers = [`Content-Type: ${type}`, `Content-Length: ${content.length}`, 'Content-Encoding: gzip']
    t.match(await send(`DELETE /todos/${id}`, user.token, headers, content), { status: 204 }, type)
  }
})

t.test('takes the body of a logout, and no null', async (t) => {
  problem(
    t,
    await user.ask('POST', '/logout', 'null', { 'content-type': 'application/json' }),
    400,
    'invalid_request',
  )
  problem(t, await user.ask('POST', '/logout', { other: 1 }), 400, 'invalid_request')
})

const create = (headers: Record<string, string>, payload: string | Buffer = '{"title":"a"}') =>
  user.ask('POST', '/todos', payload, headers)

t.test('compares media types as RFC 9110 does', async (t) => {
  for (const type of [
    'application/json',
    'APPLICATION/json',
    'application/JSON; charset="utf-8"',
    'application/json;charset=UTF-8',
    'application/json\t;\tcharset=utf8',
    'application/json;',
    'application/json; ; charset=utf-8 ;',
    'application/json; x="a;charset=latin1"; y=z',
    'application/json; charset="\\utf-8"',
  ])
    t.equal((await create({ 'content-type': type })).statusCode, 201, type)
  for (const type of [
    'text/json',
    'application/jsonx',
    'application/json; charset=latin1',
    'application/json; charset=utf-8; Charset="UTF-16"',
    'application/json; charset',
    'application/json; charset = utf-8',
    'application/json charset=utf-8',
    'application/json, text/plain',
    'application / json',
    'json',
    'application/merge-patch+json',
  ]) {
    const answer = await create({ 'content-type': type })
    problem(t, answer, 415, 'unsupported_media_type')
    t.notOk('accept-encoding' in answer.headers, type)
  }
  t.equal((await create({ 'content-type': 'text/json' })).headers.accept, 'application/json')
  problem(t, await create({}), 415, 'unsupported_media_type')
})

t.test('takes a merge patch for PATCH alone, however it is written', async (t) => {
  const { id } = (await create({ 'content-type': 'application/json' })).json()
  const patch = (type: string) =>
    user.ask('PATCH', `/todos/${id}`, '{"priority":1}', { 'content-type': type })
  for (const type of [
    'application/json',
    'Application/Merge-Patch+JSON',
    'application/merge-patch+json ; charset=utf-8',
  ])
    t.equal((await patch(type)).statusCode, 200, type)
  const answer = await patch('text/plain')
  problem(t, answer, 415, 'unsupported_media_type')
  t.equal(answer.headers['accept-patch'], 'application/merge-patch+json, application/json')
})

t.test('takes no content coding but identity (RFC 9110, section 15.5.16)', async (t) => {
  const type = { 'content-type': 'application/json' }
  for (const coding of ['identity', 'Identity', ''])
    t.equal((await create({ ...type, 'content-encoding': coding })).statusCode, 201, coding)
  for (const coding of ['gzip', 'GZIP', 'identity, br', 'x']) {
    const answer = await create({ ...type, 'content-encoding': coding }, gzipSync('{"title":"a"}'))
    problem(t, answer, 415, 'unsupported_media_type')
    t.equal(answer.headers['accept-encoding'], 'identity')
  }
})

t.test('weighs what a client accepts', async (t) => {
  for (const [accept, status] of [
    ['application/json;q=0.001', 200],
    ['APPLICATION/JSON', 200],
    ['application/json;q=0, */*', 406],
    ['*/*;q=0', 406],
    ['application/*;q=0, */*', 406],
    ['*/*;q=0, application/json', 200],
    ['application/problem+json', 200],
    ['application/problem+json, application/json;q=0', 406],
    ['application/problem+json, */*;q=0', 406],
    ['application/problem+json;q=0', 406],
  ] as const)
    t.equal((await user.ask('GET', '/todos', undefined, { accept })).statusCode, status, accept)
  const { headers } = await app.inject({ url: '/nothing', headers: { accept: 'text/html' } })
  t.match(
    headers['content-type'],
    'application/problem+json',
    'a path that does not exist is a 404 to anyone',
  )
})

t.test('reads lists of entity tags', async (t) => {
  const { id } = (await create({ 'content-type': 'application/json' })).json()
  const get = (headers: Record<string, string>) => user.ask('GET', `/todos/${id}`, undefined, headers)
  for (const [name, value, status] of [
    ['if-none-match', ', "7",, W/"1" ,', 304],
    ['if-none-match', '"7,\\"', 200],
    ['if-none-match', 'w/"1"', 400],
    ['if-none-match', '"1", *', 400],
    ['if-match', '"7", "1"', 200],
    ['if-match', '*', 200],
    ['if-match', 'W/"1"', 412],
    ['if-match', '"7"', 412],
    ['if-match', '1', 400],
  ] as const)
    t.equal((await get({ [name]: value })).statusCode, status, `${name}: ${value}`)
  const start = `GET /todos/${id}`
  t.match(await send(start, user.token, ['If-None-Match: "7"', 'If-None-Match: "1"']), { status: 304 })
  t.match(await send(start, user.token, ['If-Match: "7"', 'If-Match: "8"']), { status: 412 })
  t.match(await send(start, user.token, ['Range: bytes=0-1']), { status: 200 }, 'a Range is ignored')
})

t.test('returns the headers of GET to HEAD', async (t) => {
  const { id } = (await create({ 'content-type': 'application/json' })).json()
  const { paths } = app.swagger() as { paths: Record<string, object> }
  const urls = Object.entries(paths)
    .filter(([, methods]) => 'get' in methods)
    .map(([path]) => path.replace('{id}', id))
  const others = ['/docs', '/docs/json', '/docs/yaml', '/docs/static/index.css', '/nothing', '/todos?limit=x']
  const varying = /^(x-request-id|date|ratelimit|keep-alive|connection|transfer-encoding)$/
  for (const url of [...urls, ...others])
    for (const condition of [{}, { 'if-none-match': '*' }]) {
      const ask = async (method: NonNullable<InjectOptions['method']>) => {
        const { statusCode, headers, body } = await user.ask(method, url, undefined, condition)
        const kept = Object.entries(headers).filter(([name]) => !varying.test(name))
        const length = statusCode < 400 && Object.fromEntries(kept)
        return { statusCode, headers: length, body }
      }
      const [get, head] = [await ask('GET'), await ask('HEAD')]
      t.same(head, { ...get, body: '' }, `${url} ${JSON.stringify(condition)}`)
    }
  t.ok(urls.length > 8)
})

t.test('does not read an export for HEAD', async (t) => {
  let statements = 0
  app.database.withUser = new Proxy(app.database.withUser, {
    apply: (...call) => {
      statements++
      return Reflect.apply(...call)
    },
  })
  t.equal((await user.ask('HEAD', '/me/export')).statusCode, 200)
  t.equal(statements, 1, 'the user alone is read')
})
