import t from 'tap'
import { isExpired } from '../../src/todos/sync-tokens.ts'
import { createApp, problem, setUp, signUp, type TestUser, testing } from '../support/app.ts'
import { cloneDatabase } from '../support/clone-database.ts'
import { followChanges, settleTransactions } from '../support/follow-changes.ts'

const { app, database } = await setUp(t)
const { admin } = database
const settle = () => settleTransactions(admin)
const follow = (user: TestUser, limit?: number) => followChanges(t, admin, user, limit)
const create = async ({ ask }: TestUser, title: string): Promise<string> =>
  (await ask('POST', '/todos', { title })).json().id

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
