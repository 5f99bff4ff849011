import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ApiError, type ProblemCode } from '../../src/http/errors.ts'
import { createApp, setUp } from '../support/app.ts'

interface Response {
  description: string
  content?: Record<
    string,
    { example?: unknown; examples?: Record<string, { value: Record<string, unknown> }> }
  >
}
interface Operation {
  operationId: string
  description: string
  security: { bearer: string[] }[]
  parameters?: {
    name: string
    in: string
    description?: string
    example?: unknown
    schema: { description?: string }
  }[]
  requestBody?: { content: Record<string, { example: unknown }> }
  responses: Record<string, Response>
}
const { app, database } = await setUp(t)
const document = app.swagger() as unknown as {
  info: { description: string; version: string }
  paths: Record<string, Record<string, Operation>>
}
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, ...operation })),
)
t.ok(operations.length > 20)
const find = (name: string) => operations.find(({ operationId }) => operationId === name) as Operation
const codesOf = (name: string, status: number) =>
  Object.keys(find(name).responses[status]?.content?.['application/problem+json']?.examples ?? {})

const text = readFileSync('openapi/openapi.json', 'utf8')
const committed = JSON.parse(text)

t.test('is written from the schemas, and the committed document is current', async (t) => {
  const { argv } = process
  t.teardown(() => (process.argv = argv))
  const file = join(t.testdir(), 'openapi.json')
  process.argv = [...argv.slice(0, 2), file]
  await import('../../src/openapi/write.ts')
  t.equal(readFileSync(file, 'utf8'), text, 'npm run openapi updates it')
})

t.test('names its schemas, and the errors of every operation', async (t) => {
  t.equal(committed.openapi, '3.1.0')
  t.ok('Todo' in committed.components.schemas)
  t.notOk(Object.keys(committed.components.schemas).some((name) => name.startsWith('def-')))
  type Operations = Record<string, { responses: object; security: object[] }>
  for (const [path, operations] of Object.entries<Operations>(committed.paths))
    for (const [method, { responses, security }] of Object.entries(operations)) {
      const errors = ['429', '500', '503', ...(security.length > 0 ? ['403'] : [])]
      t.ok(
        errors.every((status) => status in responses),
        `${method} ${path} names its errors`,
      )
      // A login fails with 403 when the operator has locked the account.
      t.equal('403' in responses, security.length > 0 || path === '/login', `${method} ${path}`)
    }
})

t.test('is served as JSON and YAML, with the explorer', async (t) => {
  t.match((await app.inject('/docs')).body, 'swagger-ui')
  t.match((await app.inject('/docs/json')).json(), { openapi: '3.1.0' })
  t.match((await app.inject('/docs/yaml')).body, 'openapi: 3.1.0')
})

t.test('describes each parameter and each response', async (t) => {
  for (const { operationId, parameters = [], responses } of operations) {
    for (const { name, description, schema } of parameters)
      t.match(description ?? schema.description, /\w{2}/, `${operationId} ${name}`)
    for (const [status, { description }] of Object.entries(responses)) {
      t.match(description, /\w{2}/)
      t.not(description, 'Default Response', `${operationId} ${status}`)
    }
  }
})

t.test('shows for each error the codes that the operation can return, with an example', async (t) => {
  for (const { operationId, responses } of operations)
    for (const [status, { content, description }] of Object.entries(responses)) {
      if (Number(status) < 400) continue
      const examples = content?.['application/problem+json']?.examples ?? {}
      t.ok(Object.keys(examples).length > 0, `${operationId} ${status}`)
      for (const [code, { value }] of Object.entries(examples)) {
        t.equal(new ApiError(code as ProblemCode).statusCode, Number(status), code)
        t.match(value, { type: `/problems/${code}`, code, status: Number(status) })
        t.match(description, `(/problems/${code})`)
      }
    }
  t.same(codesOf('login', 401), ['invalid_credentials', 'code_required', 'invalid_code'])
  t.same(codesOf('getMe', 400), ['invalid_request'])
  t.same(codesOf('listTodos', 400), ['invalid_request', 'invalid_cursor'])
  t.same(codesOf('createTodo', 400), ['invalid_request', 'malformed_json'])
  t.same(codesOf('registerUser', 409), ['email_taken'])
  t.same(codesOf('createToken', 409), ['quota_exceeded'])
  t.same(codesOf('createTodo', 409), ['request_in_progress', 'quota_exceeded'])
  t.same(codesOf('startTotp', 409), ['totp_enabled'])
  t.same(codesOf('deleteMe', 403), ['insufficient_scope', 'login_required'])
})

t.test('names the scope of each operation that needs a token', async (t) => {
  for (const { description, security } of operations)
    for (const { bearer } of security)
      t.match(description, bearer[0] ? `Requires the scope \`${bearer[0]}\`.` : 'Requires any token.')
})

t.test('has examples that overwrite and delete nothing by themselves', async (t) => {
  const example = (name: string) => find(name).requestBody?.content['application/json']?.example
  t.same(example('updateTodo'), { completed: true })
  t.same(example('batchTodos'), {
    operations: [{ op: 'create', todo: { title: 'Water the plants', tags: ['home'] } }],
  })
  for (const { operationId, parameters = [] } of operations)
    for (const { name, example } of parameters) if (name === 'id') t.equal(example, undefined, operationId)
})

t.test('introduces the API, with links that lead somewhere', async (t) => {
  const topics = ['Quick start', 'Authentication', 'Errors', 'Paging', 'Idempotency', 'Rate limits']
  for (const topic of topics) t.match(document.info.description, `**${topic}.**`)
  const links = [...document.info.description.matchAll(/\]\(([^)]+)\)/g)].map(([, link = '']) => link)
  t.ok(links.length > topics.length)
  for (const link of links) {
    const [path = '', fragment] = link.split('#')
    // The guide may be written later.
    if (path === '/docs/guide/api' && !existsSync('docs/api.md')) continue
    const page = await app.inject({ url: path, headers: { accept: 'text/html' } })
    t.equal(page.statusCode, 200, path)
    if (fragment) t.match(page.body, `id="${fragment}"`, link)
  }
  t.equal(document.info.version, JSON.parse(readFileSync('package.json', 'utf8')).version)
})

t.test('respects a prefix in its links and examples', async (t) => {
  const behind = await createApp(t, database, { BASE_PATH: '/api' })
  const text = JSON.stringify(behind.swagger())
  t.match(text, '"type":"/api/problems/not_found"')
  t.match(text, '](/api/docs/guide/api#errors)')
  t.notMatch(text, /\]\(\/(?!api\/)/)
})
