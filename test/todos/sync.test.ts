import t from 'tap'
import type { Tx } from '../../src/database/transaction.ts'
import { ANY_VERSION } from '../../src/http/conditional.ts'
import { createTodo, updateTodo } from '../../src/todos/sql.ts'
import type { Change } from '../../src/todos/sync-schema.ts'
import { isExpired } from '../../src/todos/sync-tokens.ts'
import { createApp, problem, setUp, signUp, type TestUser, testing } from '../support/app.ts'
import { cloneDatabase } from '../support/clone-database.ts'
import { credentialOf } from '../support/credential-of.ts'
import { until } from '../support/until.ts'

const { app, database } = await setUp(t)
const { admin } = database

/** Waits for every transaction that has begun: those of other tests on the server delay what clients are told. */
async function settle() {
  const [now] = await admin<{ xid: string }[]>`select pg_current_xact_id()::text as xid`
  await until('older transactions have ended', async () => {
    const [row] = await admin<{ past: boolean }[]>`
      select pg_snapshot_xmin(pg_current_snapshot()) > ${`${now?.xid}`}::text::xid8 as past`
    return row?.past === true
  })
}

/** A client of a user, without a copy: what it is told. */
function follow({ ask }: TestUser, limit = 100) {
  let token = ''
  return async (wait = settle) => {
    await wait()
    const told: string[] = []
    for (let more = true; more; ) {
      const answer = await ask('GET', `/todos/changes?limit=${limit}${token && `&since=${token}`}`)
      const { changes, next_token, has_more } = answer.json()
      t.equal(answer.statusCode, 200, answer.body)
      told.push(
        ...changes.map(({ op, id, todo }: Change) =>
          todo ? `${todo.title} ${todo.version}` : `${op} ${id}`,
        ),
      )
      token = next_token
      more = has_more
    }
    return told
  }
}
const create = async ({ ask }: TestUser, title: string): Promise<string> =>
  (await ask('POST', '/todos', { title })).json().id
/** Opens a transaction that has written and not committed. */
function begin(user: TestUser, run: (tx: Tx) => Promise<unknown>) {
  type Last = (tx: Tx) => Promise<unknown>
  let end: (last: Last) => void = () => {}
  let hasWritten = () => {}
  const gate = new Promise<Last>((resolve) => {
    end = resolve
  })
  const written = new Promise<void>((resolve) => {
    hasWritten = resolve
  })
  const done = app.database.withUser(credentialOf(user.token), 'read write', async (tx) => {
    await run(tx)
    hasWritten()
    await (await gate)(tx)
  })
  return { written, done, end }
}

t.test('sends all todos in pages, and then what changed meanwhile and since', async (t) => {
  const [user, bob] = [await signUp(app), await signUp(app)]
  await create(bob, 'his')
  const next = follow(user, 2)
  t.same(await next(), [], 'nothing yet')
  const ids = []
  for (const title of ['a', 'b', 'c', 'd', 'e']) ids.push(await create(user, title))
  const late = follow(user, 2)
  t.same(await late(), ['a 1', 'b 1', 'c 1', 'd 1', 'e 1'])
  t.same((await next()).sort(), ['a 1', 'b 1', 'c 1', 'd 1', 'e 1'])
  await user.ask('PATCH', `/todos/${ids[1]}`, { title: 'b2' })
  await user.ask('PATCH', `/todos/${ids[1]}`, { title: 'b3' })
  await user.ask('DELETE', `/todos/${ids[2]}`)
  for (const client of [next, late]) {
    t.same(await client(), ['b3 3', `delete ${ids[2]}`], 'each once, in its last state')
    t.same(await client(), [])
  }
  await user.ask('POST', `/trash/${ids[2]}/restore`)
  t.same(await next(), ['c 2'])
  await user.ask('DELETE', '/todos?all=true')
  await user.ask('DELETE', '/trash?all=true')
  t.same((await next()).sort(), ids.map((id) => `delete ${id}`).sort())
  t.same((await late()).sort(), ids.map((id) => `delete ${id}`).sort())
  t.same(await follow(user)(), [])
})

t.test('sends nothing of what did not happen, or happened before', async (t) => {
  const user = await signUp(app)
  const id = await create(user, 'a')
  const next = follow(user)
  t.same(await next(), ['a 1'])
  await user.ask('PATCH', `/todos/${id}`, {})
  await user.ask('PATCH', `/todos/${id}`, { title: 'b' }, { 'if-match': '"9"' })
  const failing = [
    { op: 'update', id, todo: { title: 'b' } },
    { op: 'delete', id: user.id },
  ]
  t.equal((await user.ask('POST', '/todos/batch', { operations: failing })).statusCode, 404)
  t.same(await next(), [])
  const key = { 'idempotency-key': 'key' }
  await user.ask('PATCH', `/todos/${id}`, { title: 'once' }, key)
  t.same(await next(), ['once 2'])
  await user.ask('PATCH', `/todos/${id}`, { title: 'once' }, key)
  t.same(await next(), [])
  const twice = { op: 'update', id, todo: { title: 'twice' } }
  await user.ask('POST', '/todos/batch', { operations: [twice, twice] })
  t.same(await next(), ['twice 4'], 'twice in one transaction')
})

t.test('misses no transaction that commits in another order than it began', async (t) => {
  const user = await signUp(app)
  const id = await create(user, 'a')
  const next = follow(user)
  t.same(await next(), ['a 1'])
  const slow = begin(user, (tx) => createTodo(tx, user.id, { title: 'slow' }))
  await slow.written
  const rolledBack = begin(user, (tx) => updateTodo(tx, id, { title: 'never' }, ANY_VERSION))
  await rolledBack.written
  rolledBack.end(() => Promise.reject(new Error('changed my mind')))
  await t.rejects(rolledBack.done, { message: 'changed my mind' })
  await user.ask('PATCH', `/todos/${id}`, { title: 'b' })
  t.same(await next(async () => {}), [], 'what follows an open transaction has to wait')
  slow.end((tx) => updateTodo(tx, id, { title: 'c' }, ANY_VERSION))
  await slow.done
  t.same((await next()).sort(), ['c 3', 'slow 1'], 'the last version is in the transaction that began first')
  t.same(await next(), [])
})

t.test('is a 304 while nothing changes, and renews the token once a day', async (t) => {
  let time = Date.now()
  const app = await createApp(t, database, {}, { now: () => time })
  const user = await signUp(app)
  await create(user, 'a')
  const poll = (since: string, tag = '"none"') =>
    user.ask('GET', `/todos/changes?since=${since}`, undefined, { 'if-none-match': tag })
  await settle()
  const first = await user.ask('GET', '/todos/changes')
  t.equal(first.headers.etag, undefined)
  const token: string = first.json().next_token
  const idle = await poll(token)
  t.same(idle.json(), { changes: [], next_token: token, has_more: false })
  const tag = `${idle.headers.etag}`
  for (const method of ['GET', 'HEAD'] as const) {
    const same = await user.ask(method, `/todos/changes?since=${token}`, undefined, { 'if-none-match': tag })
    t.match(same, { statusCode: 304, body: '', headers: { etag: tag } })
  }
  await create(user, 'b')
  await settle()
  const changed = await poll(token, tag)
  t.match(changed.json(), { changes: [{ op: 'upsert', todo: { title: 'b' } }], has_more: false })
  t.not(changed.json().next_token, token)
  await user.ask('DELETE', '/todos?all=true')
  await settle()
  const { next_token } = (await poll(token)).json()
  const quiet = await poll(next_token)
  time += 800_000
  t.equal((await poll(next_token, `${quiet.headers.etag}`)).statusCode, 304)
  time += 86_400_000
  const login = await app.inject({
    method: 'POST',
    url: '/login',
    payload: { email: user.email, password: 'correct horse battery' },
  })
  const renewed = await app.inject({
    url: `/todos/changes?since=${next_token}`,
    headers: {
      authorization: `Bearer ${login.json().access_token}`,
      'if-none-match': `${quiet.headers.etag}`,
    },
  })
  t.match(renewed, { statusCode: 200 })
  t.not(renewed.json().next_token, next_token)
})

t.test('accepts a token of its user alone, from before a change of the secret too', async (t) => {
  const [user, bob] = [await signUp(app), await signUp(app)]
  const { next_token: token } = (await user.ask('GET', '/todos/changes')).json()
  const [payload = '', signature] = token.split('.')
  const later = Buffer.from(payload, 'base64url').toString().replace(/:\d+:/, ':1:')
  for (const since of [`${payload}.AAAA`, `${Buffer.from(later).toString('base64url')}.${signature}`])
    problem(t, await user.ask('GET', `/todos/changes?since=${since}`), 400, 'invalid_cursor')
  problem(t, await bob.ask('GET', `/todos/changes?since=${token}`), 400, 'invalid_cursor')
  problem(t, await user.ask('GET', '/todos/changes?since=x'), 400, 'invalid_request')
  problem(t, await user.ask('GET', '/todos/changes?limit=101'), 400, 'invalid_request')

  await settle()
  const rotated = await createApp(t, database, {
    JWT_SECRET: 'another-secret-another-secret-another-secret',
    JWT_SECRET_PREVIOUS: testing.JWT_SECRET,
  })
  await create(user, 'a')
  await settle()
  const answer = await rotated.inject({
    url: `/todos/changes?since=${token}`,
    headers: { authorization: `Bearer ${user.token}` },
  })
  t.match(answer.json(), { changes: [{ todo: { title: 'a' } }] })
})

t.test('expires a token when changes since were removed', async (t) => {
  const [user, bob] = [await signUp(app), await signUp(app)]
  await settle()
  const { next_token: old } = (await user.ask('GET', '/todos/changes')).json()
  await create(user, 'a')
  await settle()
  const { next_token: newer } = (await user.ask('GET', `/todos/changes?since=${old}`)).json()
  const hisNext = follow(bob)
  await hisNext()
  await create(bob, 'b')
  await admin`update todo_changes set changed_at = now() - interval '31 days' where user_id = ${user.id}`
  t.equal(await app.removeExpired(), 1)
  problem(t, await user.ask('GET', `/todos/changes?since=${old}`), 410, 'sync_token_expired')
  t.equal((await user.ask('GET', `/todos/changes?since=${newer}`)).statusCode, 200)
  t.same(await hisNext(), ['b 1'])
  t.same(await follow(user)(), ['a 1'], 'a new start is always possible')
  await admin`update sync_horizons set epoch = 'another'`
  await admin`update todo_changes set xid = '99999999999', changed_at = now() - interval '31 days'`
  t.ok((await app.removeExpired()) > 0)
  t.equal(
    (await user.ask('GET', `/todos/changes?since=${newer}`)).statusCode,
    200,
    'a number of another history',
  )
})

t.test('knows a token of another database, and one from a history that was lost', async (t) => {
  const state = async ({ admin }: Pick<typeof database, 'admin'>) =>
    (
      await admin<{ epoch: string; horizon: string; xmin: string }[]>`
      select epoch, horizon::text, xmin::text from app.sync_state()`
    )[0] as never
  const [here, there] = [await state(database), await state(await cloneDatabase(t))] as {
    epoch: string
    xmin: string
    horizon: string
  }[]
  const place = { ...here, kind: 'changes' as const, time: 0, xid: `${here?.xmin}`, id: '', version: 0 }
  t.equal(isExpired(place as never, here as never), false)
  t.equal(isExpired(place as never, { ...there, xmin: here?.xmin } as never), true)
  const future = { ...place, xid: String(BigInt(`${here?.xmin}`) + 1n) }
  t.equal(isExpired(future as never, here as never), true)
})

t.test('does not exist on a sharded database', async (t) => {
  const sharded = await createApp(t, database, { DATABASE_SHARDED: 'true' })
  problem(t, await (await signUp(sharded)).ask('GET', '/todos/changes'), 501, 'not_implemented')
})
