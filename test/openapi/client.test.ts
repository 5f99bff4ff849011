import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import createClient from 'openapi-fetch'
import t from 'tap'
import type { paths } from '../../openapi/client.d.ts'
import { password, setUp } from '../support/app.ts'

const { app } = await setUp(t)

t.test('serves a client that was made from the document, with the types that it promises', async (t) => {
  await app.listen({ port: 0, host: '127.0.0.1' })
  const client = createClient<paths>({ baseUrl: app.listeningOrigin })
  const body = { email: 'client@example.com', password }

  const registered = await client.POST('/register', { body })
  t.equal(registered.data?.email, body.email)
  const refused = await client.POST('/register', { body })
  t.equal(refused.error?.code, 'email_taken')

  const login = await client.POST('/login', { body })
  client.use({
    onRequest({ request }) {
      request.headers.set('authorization', `Bearer ${login.data?.access_token}`)
    },
  })
  const made = await client.POST('/todos', {
    body: { title: 'Water the plants', tags: ['home'], due_at: null },
    params: { header: { 'idempotency-key': 'client-1' } },
  })
  const id = made.data?.id ?? ''
  t.equal(made.response.headers.get('location'), `/todos/${id}`)

  const list = await client.GET('/todos', {
    params: { query: { tag: ['home'], sort: '-due_at', count: 'exact' } },
  })
  t.same([list.data?.total, list.data?.data[0]?.title], [1, 'Water the plants'])
  const params = { path: { id }, header: { 'if-match': `${made.response.headers.get('etag')}` } }
  const patched = await client.PATCH('/todos/{id}', { params, body: { completed: true } })
  t.equal(patched.data?.version, 2)
  const stale = await client.PATCH('/todos/{id}', { params, body: { completed: false } })
  t.equal(stale.error?.code, 'precondition_failed')
  const batch = await client.POST('/todos/batch', {
    body: {
      operations: [
        { op: 'create', todo: { title: 'Sow' } },
        { op: 'delete', id },
      ],
    },
  })
  t.same(
    batch.data?.results.map(({ op }) => op),
    ['create', 'delete'],
  )

  t.equal((await client.POST('/logout', { body: {} })).response.status, 204)
  t.equal((await client.GET('/me')).error?.code, 'revoked_token')
})

// Sends what docs/requests.http has, as an editor does it, and holds the statuses against its titles.

const [preface = '', ...sections] = readFileSync('docs/requests.http', 'utf8').split(/^### /m)
const variables = new Map([...preface.matchAll(/^@(\w+) = (.*)$/gm)].map(([, name, value]) => [name, value]))
const answers = new Map<string, LightMyRequestResponse>()

/** The value of what stands between double braces. */
function resolve(_: string, expression: string): string {
  if (expression === '$guid') return randomUUID()
  if (expression === 'api') return ''
  const [, name = '', header, member = ''] =
    /^(\w+)\.response\.(?:headers\.([\w-]+)|body\.\$\.(\w+))$/.exec(expression) ?? []
  const answer = answers.get(name)
  const value = header
    ? answer?.headers[header.toLowerCase()]
    : (answer?.json()[member] ?? variables.get(expression))
  if (value === undefined) throw new Error(`Nothing is known of ${expression}`)
  return `${value}`
}

t.test('the requests of docs/requests.http are answered as their titles say', async (t) => {
  for (const section of sections) {
    const [title = '', ...lines] = section.split('\n')
    const name = lines[0]?.startsWith('# @name ') ? lines.shift()?.slice('# @name '.length) : undefined
    const [head = '', ...body] = lines
      .join('\n')
      .replaceAll(/\{\{(.*?)\}\}/g, resolve)
      .split('\n\n')
    const [request = '', ...headers] = head.trim().split('\n')
    const [method, url = ''] = request.split(' ')
    const answer = await app.inject({
      method: method as NonNullable<InjectOptions['method']>,
      url,
      headers: Object.fromEntries(headers.map((line) => line.split(': '))),
      ...(body.join('').trim() && { payload: body.join('') }),
    })
    if (name) answers.set(name, answer)
    t.equal(answer.statusCode, Number(/: (\d{3})/.exec(title)?.[1]), title, { answer: answer.body })
  }
  t.equal(answers.size, 2)
})
