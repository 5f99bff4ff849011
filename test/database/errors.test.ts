import type { DatabaseError } from 'pg'
import t, { type Test } from 'tap'
import { loadConfig } from '../../src/config.ts'
import { createDatabase } from '../../src/database/database.ts'
import { fromDatabase, isSchemaGap, violates } from '../../src/database/errors.ts'
import { ApiError } from '../../src/http/errors.ts'
import { testing } from '../support/app.ts'
import { begun, columns, complete, fault, ready, row, startFake } from '../support/fake-postgres.ts'

// Errors that a Citus coordinator passes on from its nodes, as seen on a cluster.

const credential = { user_id: 'x', session_id: null, secret: Buffer.from('x') }
const beginning = [
  begun,
  complete('BEGIN'),
  begun,
  columns('scopes', 'use_is_due'),
  row('{todos:write}', ''),
  complete('SELECT 1'),
]
const rolledBack = [begun, complete('ROLLBACK'), ready()]

/** What a write rejects with when its statement, or its commit, fails. */
async function write(t: Test, mode: 'read only' | 'read write', ...end: Buffer[]): Promise<unknown> {
  const url = await startFake(t, (flight) => (flight === 0 ? [...beginning, ...end] : rolledBack))
  const opened = createDatabase(loadConfig({ ...testing, DATABASE_URL: url }))
  t.teardown(opened.close)
  return opened
    .withUser(credential, mode, (tx) => tx`insert into todos (id, title) values ('x', 'x')`)
    .catch((error) => error)
}
const inserted = [begun, complete('INSERT 0 1'), begun]

t.test('finds the constraint in the message, with the number of the shard', async (t) => {
  const error = async (code: string, text: string) =>
    (await write(t, 'read write', begun, fault(code, 'ERROR', 'E', text), ready('E'))) as DatabaseError
  const constraints = { projects_name_key: () => new ApiError('email_taken') }
  const duplicate = await error(
    '23505',
    'duplicate key value violates unique constraint "projects_name_key_102041"',
  )
  t.match(fromDatabase(duplicate, constraints), { code: 'email_taken' })
  t.notOk(isSchemaGap(duplicate, constraints))
  t.match(fromDatabase(duplicate, {}), { code: 'conflict' })
  t.notOk(violates(duplicate, 'name_key'))
  t.notOk(violates(duplicate, 'projects_name'))
  const check = 'new row for relation "todos_102041" violates check constraint "todos_title_length"'
  t.ok(violates(await error('23514', check), 'todos_title_length'))
  t.notOk(violates(await error('22023', check), 'todos_title_length'), 'another kind of error')
})

t.test('reports a node that cannot be reached as unavailable, and rolls back', async (t) => {
  const error = await write(t, 'read write', begun, fault('08006'), ready('E'))
  t.match(fromDatabase(error as DatabaseError, {}), { code: 'unavailable', extras: { detail: undefined } })
})

t.test('reports a commit during which a node was lost as a write of unknown outcome', async (t) => {
  for (const code of ['XX000', '08006'])
    t.match(await write(t, 'read write', ...inserted, fault(code), ready()), {
      code: 'unavailable',
      extras: { detail: /outcome of this write is unknown/ },
      cause: { code },
    })
  t.match(
    await write(t, 'read only', ...inserted, fault('08006'), ready()),
    { code: '08006' },
    'not of a read',
  )
  t.match(
    await write(t, 'read write', ...inserted, fault('23505'), ready()),
    { code: '23505' },
    'nor of a refusal',
  )
})
