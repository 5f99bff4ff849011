import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { askWith, password, setUp, signUp, type TestUser } from '../support/app.ts'
import { until } from '../support/until.ts'

// Writes whose credential dies while they run. What kills it is held open on another connection until the write
// waits for it, or has been answered.

const { app, database } = await setUp(t, { LOCK_TIMEOUT_MS: '60000' })
const login = new URL(database.url).username

/** What a user has when a race begins. */
interface Scene {
  user: TestUser
  /** A request with a personal token of the user, and with the session. */
  ask: TestUser['ask']
  session: string
  token: string
  todo: string
  key: { 'idempotency-key': string }
}
const create = { op: 'create', todo: { title: 'late' } }
const newToken = { name: 'late', scopes: ['todos:read'] }

/** Each write, and its answer when the account is deleted while it runs. */
const writes: Record<
  string,
  [send: (scene: Scene) => ReturnType<TestUser['ask']>, status: number, code?: string]
> = {
  'create a todo': [({ ask }) => ask('POST', '/todos', { title: 'late' }), 401, 'revoked_token'],
  'create a todo once': [
    ({ ask, key }) => ask('POST', '/todos', { title: 'late' }, key),
    401,
    'revoked_token',
  ],
  'change a todo': [({ ask, todo }) => ask('PATCH', `/todos/${todo}`, { title: 'late' }), 404, 'not_found'],
  'change a todo once': [
    ({ ask, todo, key }) => ask('PATCH', `/todos/${todo}`, { title: 'late' }, key),
    401,
    'revoked_token',
  ],
  'change a todo of a version': [
    ({ ask, todo }) => ask('PATCH', `/todos/${todo}`, { title: 'late' }, { 'if-match': '"1"' }),
    401,
    'revoked_token',
  ],
  'delete a todo': [({ ask, todo }) => ask('DELETE', `/todos/${todo}`), 404, 'not_found'],
  'delete all todos': [({ ask }) => ask('DELETE', '/todos?all=true'), 200],
  'create in a batch': [
    ({ ask }) => ask('POST', '/todos/batch', { operations: [create] }),
    401,
    'revoked_token',
  ],
  'create in a batch once': [
    ({ ask, key }) => ask('POST', '/todos/batch', { operations: [create, create] }, key),
    401,
    'revoked_token',
  ],
  'change in a batch': [
    ({ ask, todo }) => ask('POST', '/todos/batch', { operations: [create, { op: 'delete', id: todo }] }),
    401,
    'revoked_token',
  ],
  'make a token': [({ ask }) => ask('POST', '/tokens', newToken), 401, 'revoked_token'],
  'revoke a token': [({ ask, token }) => ask('DELETE', `/tokens/${token}`), 404, 'not_found'],
  'end a session': [({ ask, session }) => ask('DELETE', `/me/sessions/${session}`), 404, 'not_found'],
  'change the email': [
    ({ ask }) => ask('PATCH', '/me', { email: `${randomUUID()}@example.com`, current_password: password }),
    401,
    'revoked_token',
  ],
  'change the password': [
    ({ ask }) => ask('PATCH', '/me', { new_password: 'another long password', current_password: password }),
    401,
    'revoked_token',
  ],
  'delete the account': [({ ask }) => ask('DELETE', '/me'), 401, 'revoked_token'],
  'log out': [({ ask }) => ask('POST', '/logout'), 204],
  'log out everywhere': [({ ask }) => ask('POST', '/logout', { everywhere: true }), 204],
  refresh: [
    ({ user }) =>
      app.inject({ method: 'POST', url: '/refresh', payload: { refresh_token: user.refreshToken } }),
    401,
    'revoked_token',
  ],
  'log in': [
    ({ user }) => app.inject({ method: 'POST', url: '/login', payload: { email: user.email, password } }),
    401,
    'invalid_credentials',
  ],
}

async function setScene(credential: 'session' | 'token'): Promise<Scene> {
  const user = await signUp(app)
  const made = await user.ask('POST', '/tokens', {
    name: 'a',
    scopes: ['todos:read', 'todos:write', 'account'],
  })
  const { id: todo } = (await user.ask('POST', '/todos', { title: 'early' })).json()
  const { data } = (await user.ask('GET', '/me/sessions')).json()
  const ask = credential === 'session' ? user.ask : askWith(app, made.json().token)
  return {
    user,
    ask,
    todo,
    session: data[0].id,
    token: made.json().id,
    key: { 'idempotency-key': randomUUID() },
  }
}

/** Sends a write while another transaction, which runs SQL, is open: that commits once the write waits, or is done. */
async function race(sql: string, send: () => ReturnType<TestUser['ask']>) {
  let done = false
  const answer = await database.admin.begin(async (admin) => {
    await admin.unsafe(sql)
    const answer = send().finally(() => (done = true))
    const isWaiting = async () => {
      const [row] = await database.admin`
        select from pg_stat_activity
        where usename = ${login} and datname = current_database() and wait_event_type = 'Lock'`
      return row !== undefined
    }
    await until('the write waits or is done', async () => done || (await isWaiting()))
    return { answer }
  })
  return answer.answer
}

t.test(
  'returns 401 or 404 to a write whose account is deleted while it runs, and keeps no rows',
  async (t) => {
    for (const [name, [send, status, code]] of Object.entries(writes)) {
      const scene = await setScene('session')
      const answer = await race(`delete from users where id = '${scene.user.id}'`, () => send(scene))
      t.equal(answer.statusCode, status, `${name}: ${answer.body}`)
      if (code) t.equal(answer.json().code, code, name)
      await isNothingLeft(t, scene.user.id)
    }
  },
)

async function isNothingLeft(t: Test, id: string) {
  const [left] = await database.admin`
    select from todos where user_id = ${id} union all select from idempotency_keys where user_id = ${id}
    union all select from identity.sessions where user_id = ${id}
    union all select from identity.access_tokens where user_id = ${id}
    union all select from identity.events where user_id = ${id}`
  t.equal(left, undefined, 'nothing is left')
}

t.test('never returns 500 to a write whose session or token ends while it runs', async (t) => {
  const ends: [credential: 'session' | 'token', sql: (scene: Scene) => string][] = [
    ['session', ({ session }) => `delete from identity.sessions where id = '${session}'`],
    ['token', ({ token }) => `delete from identity.access_tokens where id = '${token}'`],
  ]
  for (const [credential, end] of ends)
    for (const [name, [send]] of Object.entries(writes)) {
      const scene = await setScene(credential)
      const answer = await race(end(scene), () => send(scene))
      // Either the write came first, or it was refused.
      t.ok([200, 201, 204, 401, 403, 404].includes(answer.statusCode), `${name}: ${answer.body}`)
    }
})

t.test('does not find a todo in a batch that waited for the deletion of its account', async (t) => {
  const { user, todo } = await setScene('session')
  const operations = [{ op: 'update', id: todo, todo: { title: 'late' } }, create]
  const waiting = async (count: number) => {
    const list = () => database.admin`
      select from pg_stat_activity
      where usename = ${login} and datname = current_database() and wait_event_type = 'Lock'`
    await until(`${count} statements wait for a lock`, async () => (await list()).length >= count)
  }
  // The deletion has the todo and waits for the user's row; the batch waits for the todo.
  const [deletion, batch] = await database.admin.begin(async (sql) => {
    await sql`select from users where id = ${user.id} for update`
    const deletion = user.ask('DELETE', '/me')
    await waiting(1)
    const batch = user.ask('POST', '/todos/batch', { operations })
    await waiting(2)
    return [deletion, batch].map((answer) => ({ answer }))
  })
  t.equal((await deletion?.answer)?.statusCode, 204)
  t.equal((await batch?.answer)?.statusCode, 404)
  await isNothingLeft(t, user.id)
})
