import t from 'tap'
import {
  createSecret,
  createSessionSecret,
  type OpaqueToken,
  parseToken,
  writeToken,
} from '../../src/credentials/opaque-tokens.ts'
import { askWith, createApp, logIn, problem, setUp, signUp } from '../support/app.ts'

const { app, database } = await setUp(t, { DATABASE_POOL_SIZE: '5' })
const refresh = (refresh_token: unknown) =>
  app.inject({ method: 'POST', url: '/refresh', payload: { refresh_token } })
/** As if its first use had been so many seconds ago. */
const age = (userId: string, seconds: number) => database.admin`
  update identity.refresh_tokens set spent_at = spent_at - make_interval(secs => ${seconds})
  where user_id = ${userId} and spent_at is not null`

t.test('trades a refresh token for a new pair, and keeps the session', async (t) => {
  const user = await signUp(app)
  const answer = await refresh(user.refreshToken)
  t.equal(answer.statusCode, 200)
  t.match(answer.json(), { token_type: 'Bearer', expires_in: 900, scope: 'todos:read todos:write account' })
  t.equal(answer.headers['cache-control'], 'no-store')
  const { access_token, refresh_token } = answer.json()
  t.not(refresh_token, user.refreshToken)
  const { data } = (await askWith(app, access_token)('GET', '/me/sessions')).json()
  t.match(data, [{ current: true }], 'there is one session, the same')
  t.equal((await user.ask('GET', '/me')).statusCode, 200, 'the access token from before lives on')
  t.equal((await refresh(refresh_token)).statusCode, 200, 'and so it goes on')
})

t.test('puts off the end of the session', async (t) => {
  const user = await signUp(app)
  await database.admin`
    update identity.sessions set expires_at = now() + interval '1 minute' where user_id = ${user.id}`
  await refresh(user.refreshToken)
  const [session] = await database.admin`
    select expires_at > now() + interval '29 days' as later from identity.sessions where user_id = ${user.id}`
  t.equal(session?.later, true)
})

t.test('keeps hashes only', async (t) => {
  const user = await signUp(app)
  await refresh(user.refreshToken)
  const rows = await database.admin`select * from identity.refresh_tokens where user_id = ${user.id}`
  t.equal(rows.length, 2)
  const secret = Buffer.from(user.refreshToken.slice('todo_rt_'.length), 'base64url').subarray(16, 48)
  for (const row of rows) t.notOk([row.hash, row.successor_seed].some((kept) => kept && secret.equals(kept)))
})

t.test('serves 20 simultaneous refreshes of one token, and the session works', async (t) => {
  const user = await signUp(app)
  const answers = await Promise.all(Array.from({ length: 20 }, () => refresh(user.refreshToken)))
  t.same(new Set(answers.map(({ statusCode }) => statusCode)), new Set([200]))
  const successors = new Set(answers.map((answer) => answer.json().refresh_token))
  t.equal(successors.size, 1, 'each with the same successor: there is one line of tokens to watch')
  for (const answer of answers)
    t.equal((await askWith(app, answer.json().access_token)('GET', '/me')).statusCode, 200)
  t.equal((await refresh([...successors][0])).statusCode, 200)
})

t.test('accepts a retry after a lost response for ten seconds', async (t) => {
  const user = await signUp(app)
  const lost = await refresh(user.refreshToken)
  await age(user.id, 9)
  const retry = await refresh(user.refreshToken)
  t.equal(retry.statusCode, 200)
  t.equal(retry.json().refresh_token, lost.json().refresh_token)
})

t.test('takes a later reuse for a theft, and ends the session', async (t) => {
  const user = await signUp(app)
  const other = await logIn(app, user.email)
  const { access_token, refresh_token } = (await refresh(user.refreshToken)).json()
  await age(user.id, 10)
  problem(t, await refresh(user.refreshToken), 401, 'revoked_token')
  problem(t, await refresh(refresh_token), 401, 'revoked_token')
  problem(t, await askWith(app, access_token)('GET', '/me'), 401, 'revoked_token')
  problem(t, await user.ask('GET', '/me'), 401, 'revoked_token')
  t.equal((await other.ask('GET', '/me')).statusCode, 200, "the user's other session lives")
  const { data } = (await other.ask('GET', '/me/events')).json()
  t.match(data[0], { kind: 'refresh_reused', ip: '127.0.0.1' })
})

t.test('returns 401 to anything but a valid refresh token', async (t) => {
  const user = await signUp(app)
  const notTokens = [
    '',
    'x',
    user.token,
    writeToken('access', user.id, createSecret()),
    `${user.refreshToken}x`,
  ]
  for (const token of notTokens) {
    const answer = await refresh(token)
    problem(t, answer, 401, 'invalid_token')
    t.match(answer.headers['www-authenticate'], /error="invalid_token"/)
  }
  problem(
    t,
    await refresh(writeToken('refresh', user.id, createSecret(), createSessionSecret())),
    401,
    'revoked_token',
  )
  for (const token of [1, null, {}]) problem(t, await refresh(token), 400, 'invalid_request')

  await database.admin`update identity.refresh_tokens set expires_at = now() where user_id = ${user.id}`
  problem(t, await refresh(user.refreshToken), 401, 'revoked_token')
  t.equal((await user.ask('GET', '/me')).statusCode, 200, 'and nobody is logged out by it')
  await database.admin`update identity.sessions set expires_at = now() where user_id = ${user.id}`
  problem(t, await refresh(user.refreshToken), 401, 'revoked_token')
})

t.test("does not spend a token in another user's name", async (t) => {
  const [ada, bob] = [await signUp(app), await signUp(app)]
  const { secret, session_secret } = parseToken('refresh', ada.refreshToken) as OpaqueToken
  problem(t, await refresh(writeToken('refresh', bob.id, secret, session_secret)), 401, 'revoked_token')
  const other = createSessionSecret()
  problem(t, await refresh(writeToken('refresh', ada.id, secret, other)), 401, 'revoked_token')
  t.equal((await refresh(ada.refreshToken)).statusCode, 200)
})

t.test('ends a session at its greatest age, however often it is refreshed', async (t) => {
  const short = await createApp(t, database, { SESSION_MAX_AGE: '3600' })
  const user = await signUp(short)
  const age = (minutes: number) => database.admin`
    update identity.sessions set created_at = now() - make_interval(mins => ${minutes}) where user_id = ${user.id}`
  const refreshWith = (refresh_token: string) =>
    short.inject({ method: 'POST', url: '/refresh', payload: { refresh_token } })
  const lifetime = async () => {
    const rows = await database.admin`
      select extract(epoch from expires_at - created_at)::float as seconds from identity.sessions where user_id = ${user.id}`
    return rows[0]?.seconds
  }
  t.equal(await lifetime(), 3600, 'from the login on')
  await age(59)
  const refreshed = await refreshWith(user.refreshToken)
  t.equal(refreshed.statusCode, 200)
  t.equal(await lifetime(), 3600, 'the refresh does not extend it')
  await age(60)
  problem(t, await refreshWith(refreshed.json().refresh_token), 401, 'revoked_token')
})
