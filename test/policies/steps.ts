import { deepEqual, equal, ok } from 'node:assert/strict'
import type { LightMyRequestResponse } from 'fastify'
import { type MailedKind, writeToken } from '../../src/credentials/opaque-tokens.ts'
import type { Todo } from '../../src/todos/schema.ts'
import { password } from '../support/app.ts'
import type { Call, Kind, Person, Whose } from './person.ts'
import { trashSteps } from './trash-steps.ts'

/** A third user, whose email is always taken. */
export const STRANGER = 'stranger@example.com'

/** What a step may need, drawn at random. */
export interface Draw {
  whose: Whose
  n: number
  title: string
  completed: boolean
  priority: number
  key: string | undefined
}

const newestFirst = (me: Person) => [...me.todos.values()].sort((a, b) => (a.id < b.id ? 1 : -1))
const idsOf = (answer: LightMyRequestResponse) => answer.json().data.map(({ id }: { id: string }) => id)
const page = (limit: number, { length }: unknown[]) => ({ limit, offset: 0, has_more: length > limit })
const get = (url: string): Call => ({ method: 'GET', url })

/** A token as it could have been mailed, to oneself or to the other user. */
const forge = (kind: MailedKind, me: Person, whose: Whose) =>
  writeToken(kind, whose === 'other' ? me.other.id : me.id, Buffer.alloc(32))

/** Deletes one thing by its id, and then does what follows from that. */
const remove =
  (things: Kind, url: string, then: (me: Person, id: string) => unknown) =>
  async (me: Person, { whose, n }: Draw): Promise<void> => {
    const call = (id: string): Call => ({ method: 'DELETE', url: `${url}/${id}` })
    const id = me.own(things, whose, n)
    if (!id) return me.cannotFind(things, n, call)
    await me.ask(204, call(id))
    await then(me, id)
  }

/** Every endpoint, and what it must answer. */
export const steps: Record<string, (me: Person, draw: Draw) => Promise<void>> = {
  async 'GET /'(me) {
    equal((await me.ask(200, get('/'))).json().name, 'TODO API')
  },
  async 'GET /health'(me) {
    equal((await me.ask(200, get('/health'))).body, '{"status":"ok"}')
  },
  async 'GET /ready'(me) {
    equal((await me.ask(200, get('/ready'))).json().status, 'ok')
  },
  async 'GET /problems'(me) {
    equal((await me.ask(200, get('/problems'))).headers['content-type'], 'application/json; charset=utf-8')
  },
  async 'GET /problems/{code}'(me) {
    equal((await me.ask(200, get('/problems/not_found'))).json().code, 'not_found')
  },
  async 'POST /register'(me, { whose }) {
    // An email is taken or not: that much is told, whoever has it, and nothing else.
    const email = whose === 'own' ? me.email.toUpperCase() : STRANGER
    await me.ask(409, { method: 'POST', url: '/register', body: { email, password } })
  },
  async 'POST /login'(me) {
    await me.logIn()
  },
  async 'POST /refresh'(me) {
    const session = me.sessions.get(me.current)
    const body = { refresh_token: session?.refreshToken }
    const answer = await me.ask(200, { method: 'POST', url: '/refresh', body })
    const { access_token: token, refresh_token: refreshToken } = answer.json()
    me.sessions.set(me.current, { token, refreshToken })
  },
  async 'POST /logout'(me, { completed: everywhere }) {
    await me.ask(204, { method: 'POST', url: '/logout', body: { everywhere } })
    await me.leave(everywhere ? me.sessions.keys() : [me.current])
  },
  async 'GET /me'(me) {
    const { id, email } = (await me.ask(200, get('/me'))).json()
    deepEqual([id, email], [me.id, me.email])
  },
  async 'PATCH /me'(me, { whose, n }) {
    const change = (email: string) => ({
      method: 'PATCH' as const,
      url: '/me',
      body: { email, current_password: password },
    })
    if (whose === 'other') return void (await me.ask(409, change(STRANGER)))
    const email = `${n}.${me.email}`.slice(-200)
    await me.ask(200, change(email))
    if (email !== me.email) me.events.unshift('email_changed')
    me.email = email
  },
  async 'POST /password/forgot'(me, { whose }) {
    // Without mail, the same for every email.
    const email = whose === 'own' ? me.email : STRANGER
    await me.ask(404, { method: 'POST', url: '/password/forgot', body: { email } })
  },
  async 'POST /password/reset'(me, { whose }) {
    const token = forge('reset', me, whose)
    await me.ask(400, { method: 'POST', url: '/password/reset', body: { token, new_password: password } })
  },
  async 'POST /me/email/verify'(me) {
    await me.ask(404, { method: 'POST', url: '/me/email/verify' })
  },
  async 'POST /email/verify'(me, { whose }) {
    await me.ask(400, { method: 'POST', url: '/email/verify', body: { token: forge('verify', me, whose) } })
  },
  async 'POST /email/undo'(me, { whose }) {
    await me.ask(400, { method: 'POST', url: '/email/undo', body: { token: forge('undo', me, whose) } })
  },
  async 'DELETE /me'(me, { n }) {
    if (n % 4 > 0) return
    await me.ask(204, { method: 'DELETE', url: '/me' })
    await me.ask(401, get('/todos'))
    await me.settle()
  },
  async 'GET /me/export'(me) {
    const exported = (await me.ask(200, get('/me/export'))).json()
    equal(exported.user.id, me.id)
    deepEqual(exported.todos.reverse(), newestFirst(me))
    deepEqual(new Set(exported.trashed_todos.map(({ id }: Todo) => id)), new Set(me.trash.keys()))
    for (const part of ['sessions', 'tokens'] as const)
      deepEqual(new Set(exported[part].map(({ id }: { id: string }) => id)), new Set(me[part].keys()))
  },
  async 'GET /me/totp'(me) {
    const answer = await me.ask(200, get('/me/totp'))
    deepEqual(answer.json(), { enabled: false, confirmed_at: null, recovery_codes: 0 })
  },
  async 'POST /me/totp'(me) {
    const { otpauth_url } = (await me.ask(201, { method: 'POST', url: '/me/totp' })).json()
    ok(otpauth_url.includes(encodeURIComponent(me.email)))
  },
  async 'POST /me/totp/confirm'(me) {
    await me.ask(201, { method: 'POST', url: '/me/totp' })
    await me.ask(400, { method: 'POST', url: '/me/totp/confirm', body: { code: 'wrong' } })
  },
  async 'DELETE /me/totp'(me) {
    await me.ask(404, { method: 'DELETE', url: '/me/totp', body: { current_password: password } })
  },
  async 'GET /me/sessions'(me) {
    const answer = await me.ask(200, get('/me/sessions?limit=100'))
    deepEqual(idsOf(answer), [...me.sessions.keys()].sort().reverse())
    const { id } = answer.json().data.find(({ current }: { current: boolean }) => current)
    equal(id, me.current)
  },
  'DELETE /me/sessions/{id}': remove('sessions', '/me/sessions', (me, id) => me.leave([id])),
  async 'GET /me/events'(me) {
    const events = (await me.ask(200, get('/me/events?limit=100'))).json().data
    deepEqual(
      events.map(({ kind }: { kind: string }) => kind),
      me.events,
    )
  },
  async 'GET /tokens'(me) {
    deepEqual(idsOf(await me.ask(200, get('/tokens?limit=100'))), [...me.tokens.keys()].sort().reverse())
  },
  async 'POST /tokens'(me, { title: name, whose, n }) {
    // Made by the session, or by another token.
    const maker = me.own('tokens', whose, n)
    const call = { method: 'POST' as const, url: '/tokens', body: { name, scopes: ['account'] } }
    const { id, token } = (await me.ask(201, call, maker && me.tokens.get(maker))).json()
    me.tokens.set(id, token)
    if (maker) me.makers.set(id, maker)
    me.events.unshift('token_created')
  },
  'DELETE /tokens/{id}': remove('tokens', '/tokens', (me, id) => {
    me.forgetToken(id)
    me.events.unshift('token_revoked')
  }),
  async 'GET /todos'(me) {
    const { data, total, next_cursor, ...rest } = (
      await me.ask(200, get('/todos?limit=2&count=exact'))
    ).json()
    const all = newestFirst(me)
    deepEqual(data, all.slice(0, 2))
    deepEqual({ total, ...rest }, { total: all.length, ...page(2, all) })
    me.cursor = next_cursor ?? ''
  },
  async 'GET /todos?cursor'(me, { whose }) {
    const owner = whose === 'own' ? me : me.other
    const { cursor } = owner
    if (!cursor) return
    if (owner !== me) {
      const answer = await me.ask(400, get(`/todos?limit=2&cursor=${cursor}`))
      return equal(answer.json().code, 'invalid_cursor')
    }
    const last = Buffer.from(`${cursor.split('.')[0]}`, 'base64url')
      .toString()
      .slice(1, 37)
    const after = newestFirst(me).filter(({ id }) => id < last)
    deepEqual((await me.ask(200, get(`/todos?limit=2&cursor=${cursor}`))).json().data, after.slice(0, 2))
  },
  async 'GET /todos?filters'(me, { completed, priority }) {
    const answer = await me.ask(
      200,
      get(`/todos?completed=${completed}&priority=${priority}&sort=title&limit=100`),
    )
    const expected = newestFirst(me).filter(
      (todo) => todo.completed === completed && todo.priority === priority,
    )
    const order = (a: Todo, b: Todo) => (a.title + a.id < b.title + b.id ? -1 : 1)
    deepEqual(answer.json().data, expected.sort(order))
  },
  async 'GET /todos?q'(me, { title }) {
    const answer = await me.ask(200, get(`/todos?q=${title}&limit=100`))
    const expected = newestFirst(me).filter((todo) => todo.title === title)
    deepEqual(answer.json().data, expected)
  },
  async 'GET /tags'(me) {
    const counts = new Map<string, number>()
    for (const { tags } of me.todos.values())
      for (const tag of tags) counts.set(tag, (counts.get(tag) ?? 0) + 1)
    const expected = [...counts].sort().map(([tag, count]) => ({ tag, count }))
    deepEqual((await me.ask(200, get('/tags'))).json().data, expected)
  },
  async 'POST /todos'(me, { title, completed, priority, key }) {
    const body = { title, completed, priority, tags: [title] }
    await me.write(201, { method: 'POST', url: '/todos', body }, key, (answer) => {
      const todo: Todo = answer.json()
      deepEqual([todo.title, todo.completed, todo.priority, todo.version], [title, completed, priority, 1])
      me.todos.set(todo.id, todo)
    })
  },
  async 'GET /todos/{id}'(me, { whose, n }) {
    const id = me.own('todos', whose, n)
    const call = (id: string) => get(`/todos/${id}`)
    if (!id) return me.cannotFind('todos', n, call)
    deepEqual((await me.ask(200, call(id))).json(), me.todos.get(id))
  },
  async 'PATCH /todos/{id}'(me, { whose, n, title, completed, key }) {
    const known = me.todos.get(me.own('todos', whose, n) ?? '')
    // Of the version that one's own has, or had before, or that the other user's may have.
    const headers = { 'if-match': `"${completed ? n : (known?.version ?? 1)}"` }
    const call = (id: string): Call => ({ method: 'PATCH', url: `/todos/${id}`, body: { title }, headers })
    if (!known) return me.cannotFind('todos', n, call)
    const status = headers['if-match'] === `"${known.version}"` ? 200 : 412
    await me.write(status, call(known.id), key, (answer) => {
      const todo: Todo = answer.json()
      const { updated_at } = todo
      deepEqual(todo, { ...known, title, version: known.version + 1, updated_at })
      me.todos.set(todo.id, todo)
    })
  },
  'DELETE /todos/{id}': remove('todos', '/todos', (me, id) => me.discard([id])),
  async 'DELETE /todos'(me, { completed }) {
    const gone = [...me.todos.values()].filter((todo) => todo.completed || !completed)
    const filter = completed ? 'completed' : 'all'
    const answer = await me.ask(200, { method: 'DELETE', url: `/todos?${filter}=true` })
    equal(answer.json().deleted, gone.length)
    me.discard(gone.map(({ id }) => id))
  },
  async 'POST /todos/batch'(me, { whose, n, title, key }) {
    const create = { op: 'create', todo: { title } }
    const call = (id: string | undefined): Call => ({
      method: 'POST',
      url: '/todos/batch',
      body: { operations: id ? [create, { op: 'delete', id }] : [create] },
    })
    const id = me.own('todos', whose, n)
    // All or nothing: the todo of a refused batch is not there in the lists that follow.
    if (!id && whose === 'other') return me.cannotFind('todos', n, call)
    await me.write(200, call(id), key, (answer) => {
      const [{ todo }] = answer.json().results
      me.todos.set(todo.id, todo)
      if (id) me.discard([id])
    })
  },
  ...trashSteps,
}
