import assert from 'node:assert/strict'
import * as api from './generated/hey-api'
import { client } from './generated/hey-api/client.gen'

// The whole life of an account with the client that @hey-api/openapi-ts makes from the document.

const [, , baseUrl = '', password = ''] = process.argv

async function main() {
  const body = { email: 'hey-api@example.com', password }
  client.setConfig({ baseUrl })
  const { data: user } = await api.registerUser({ body })
  // A service that hides which emails are registered returns 202 without a body.
  assert.ok(user && typeof user === 'object' && 'email' in user)
  assert.equal(user.email, body.email)
  assert.equal((await api.registerUser({ body })).error?.code, 'email_taken')
  const login = await api.login({ body })
  const tokens = await api.refresh({ body: { refresh_token: login.data?.refresh_token ?? '' } })
  client.setConfig({ baseUrl, auth: () => tokens.data?.access_token })

  const headers = { 'idempotency-key': 'hey-api-1' }
  const made = await api.createTodo({ body: { title: 'Water the plants', tags: ['home'] }, headers })
  const again = await api.createTodo({ body: { title: 'Water the plants', tags: ['home'] }, headers })
  const id = made.data?.id ?? ''
  assert.equal(again.data?.id, id)
  assert.equal(again.response?.headers.get('idempotent-replayed'), 'true')
  const path = { id }
  const etag = made.response?.headers.get('etag') ?? ''
  const unchanged = await api.getTodo({ path, headers: { 'if-none-match': etag } })
  assert.equal(unchanged.response?.status, 304)
  const patched = await api.updateTodo({ path, body: { completed: true }, headers: { 'if-match': etag } })
  assert.equal(patched.data?.version, 2)
  const stale = await api.updateTodo({ path, body: { notes: null }, headers: { 'if-match': etag } })
  assert.equal(stale.error?.code, 'precondition_failed')

  const batch = await api.batchTodos({
    body: {
      operations: [
        { op: 'create', todo: { title: 'Sow', due_at: '2030-05-01T08:00:00+02:00', priority: 3 } },
        { op: 'update', id, todo: { tags: ['home', 'garden'] } },
      ],
    },
  })
  assert.deepEqual(
    batch.data?.results.map(({ op }) => op),
    ['create', 'update'],
  )
  const page = await api.listTodos({
    query: { tag: ['home', 'garden'], completed: true, sort: '-due_at', limit: 1, count: 'exact' },
  })
  assert.deepEqual([page.data?.total, page.data?.data[0]?.id, page.data?.next_cursor], [1, id, null])
  assert.deepEqual((await api.listTags()).data?.data, [
    { tag: 'garden', count: 1 },
    { tag: 'home', count: 1 },
  ])

  const token = await api.createToken({ body: { name: 'backup', scopes: ['todos:read'] } })
  assert.equal((await api.listTokens()).data?.data[0]?.name, 'backup')
  const refused = await api.getMe({ auth: () => token.data?.token })
  assert.equal(refused.error?.code, 'insufficient_scope')
  assert.equal((await api.revokeToken({ path: { id: token.data?.id ?? '' } })).response?.status, 204)
  assert.equal((await api.listSessions()).data?.data.length, 1)
  assert.ok((await api.listEvents()).data?.data.some(({ kind }) => kind === 'token_created'))
  assert.equal((await api.exportMe()).data?.todos.length, 2)

  assert.equal((await api.deleteTodo({ path })).response?.status, 204)
  assert.equal((await api.getTodo({ path })).error?.code, 'not_found')
  assert.equal((await api.deleteTodos({ query: { all: true } })).data?.deleted, 1)
  assert.equal((await api.changeAccount({ body: { current_password: password } })).data?.email, body.email)
  assert.equal((await api.deleteMe()).response?.status, 204)
  assert.equal((await api.getMe()).error?.code, 'revoked_token')
}

void main()
