import assert from 'node:assert/strict'
import * as api from './generated/orval/client'

// The first steps with the client that orval makes from the document.

const password = process.argv[3] ?? ''

async function main() {
  const body = { email: 'orval@example.com', password }
  const registered = await api.registerUser(body)
  assert.equal(registered.status, 201)
  const login = await api.login(body)
  assert.ok(login.status === 200)
  const options = { headers: { authorization: `Bearer ${login.data.access_token}` } }

  const made = await api.createTodo({ title: 'Water the plants', tags: ['home'] }, options)
  assert.ok(made.status === 201)
  const { id } = made.data
  const list = await api.listTodos({ tag: ['home'], sort: '-due_at' }, options)
  assert.ok(list.status === 200)
  assert.deepEqual(
    list.data.data.map(({ title }) => title),
    ['Water the plants'],
  )
  const operations: api.Batch['operations'] = [
    { op: 'update', id, todo: { completed: true } },
    { op: 'delete', id },
  ]
  assert.equal((await api.batchTodos({ operations }, options)).status, 200)
  const gone = await api.getTodo(id, options)
  assert.ok(gone.status === 404)
  assert.equal(gone.data.code, 'not_found')
  assert.equal((await api.logout({}, options)).status, 204)
}

void main()
