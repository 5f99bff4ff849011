import t, { type Test } from 'tap'
import { askWith, logIn, password, problem, setUp, signUp, type TestUser } from '../support/app.ts'
import { until } from '../support/until.ts'

const { app, database } = await setUp(t)
const refresh = (refresh_token: string) =>
  app.inject({ method: 'POST', url: '/refresh', payload: { refresh_token } })
const makeToken = async (user: TestUser, scopes = ['todos:read', 'todos:write', 'account']) =>
  (await user.ask('POST', '/tokens', { name: 'a script', scopes })).json() as { id: string; token: string }

/** Whether a session, or a personal token, still opens anything. */
async function isDead(t: Test, ask: TestUser['ask']) {
  problem(t, await ask('GET', '/todos'), 401, 'revoked_token')
  const answer = await ask('POST', '/todos', { title: 'too late' })
  problem(t, answer, 401, 'revoked_token')
  t.match(answer.headers['www-authenticate'], /^Bearer realm="todo", error="invalid_token"/)
}

t.test('ends the access tokens of a session with its logout, at once', async (t) => {
  const user = await signUp(app)
  const other = await logIn(app, user.email)
  t.equal((await user.ask('POST', '/logout')).statusCode, 204)
  await isDead(t, user.ask)
  problem(t, await refresh(user.refreshToken), 401, 'revoked_token')
  t.equal((await other.ask('GET', '/todos')).statusCode, 200, 'the other session lives')
})

t.test('ends every session with a logout everywhere, and leaves personal tokens', async (t) => {
  const user = await signUp(app)
  const other = await logIn(app, user.email)
  const { token } = await makeToken(user)
  const stranger = await signUp(app)
  t.equal((await user.ask('POST', '/logout', { everywhere: true })).statusCode, 204)
  await isDead(t, user.ask)
  await isDead(t, other.ask)
  t.equal((await askWith(app, token)('GET', '/todos')).statusCode, 200)
  t.equal((await stranger.ask('GET', '/todos')).statusCode, 200, "nobody else's session ends")
})

t.test('revokes a personal token that logs out, and lets it end no session without the scope', async (t) => {
  const user = await signUp(app)
  const reader = askWith(app, (await makeToken(user, ['todos:read'])).token)
  problem(t, await reader('POST', '/logout', { everywhere: true }), 403, 'insufficient_scope')
  t.equal((await user.ask('GET', '/todos')).statusCode, 200)
  t.equal((await reader('POST', '/logout', { everywhere: false })).statusCode, 204)
  await isDead(t, reader)
  t.equal((await user.ask('GET', '/todos')).statusCode, 200)
  problem(t, await user.ask('POST', '/logout', { everywhere: 1 }), 400, 'invalid_request')
})

t.test('ends a session that its user ends from another', async (t) => {
  const user = await signUp(app)
  const other = await logIn(app, user.email)
  const { data } = (await other.ask('GET', '/me/sessions')).json()
  const [session] = data.filter(({ current }: { current: boolean }) => !current)
  t.equal((await other.ask('DELETE', `/me/sessions/${session.id}`)).statusCode, 204)
  await isDead(t, user.ask)
  problem(t, await other.ask('DELETE', `/me/sessions/${session.id}`), 404, 'not_found')
})

t.test('ends every other session with a new password', async (t) => {
  const user = await signUp(app)
  const other = await logIn(app, user.email)
  const change = { current_password: password, new_password: 'another horse battery' }
  t.equal((await user.ask('PATCH', '/me', change)).statusCode, 200)
  await isDead(t, other.ask)
  problem(t, await refresh(other.refreshToken), 401, 'revoked_token')
  t.equal((await user.ask('GET', '/todos')).statusCode, 200, 'the one that changed it lives')
  t.equal((await refresh(user.refreshToken)).statusCode, 200)
})

t.test('lets no login with the old password survive the change of it', async (t) => {
  const user = await signUp(app)
  const blocker = await database.admin.reserve()
  await blocker`begin`
  await blocker`select from identity.credentials where user_id = ${user.id} for update`
  // Its hash has been compared by nobody yet: it waits for the row.
  const login = app.inject({ method: 'POST', url: '/login', payload: { email: user.email, password } })
  const waits = () =>
    database.admin`select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`
  await until('the login waits for the row', async () => (await waits()).length > 0)
  await blocker`update identity.credentials set password_hash = ${`$2b$04$${'x'.repeat(53)}`} where user_id = ${user.id}`
  await blocker`commit`
  blocker.release()
  problem(t, await login, 401, 'invalid_credentials')
})

t.test('ends everything with the account', async (t) => {
  const user = await signUp(app)
  const { token } = await makeToken(user)
  t.equal((await user.ask('DELETE', '/me')).statusCode, 204)
  await isDead(t, user.ask)
  await isDead(t, askWith(app, token))
  problem(t, await refresh(user.refreshToken), 401, 'revoked_token')
})

t.test('ends a personal token that is revoked, or expires', async (t) => {
  const user = await signUp(app)
  const [revoked, expired] = [await makeToken(user), await makeToken(user)]
  const [asRevoked, asExpired] = [askWith(app, revoked.token), askWith(app, expired.token)]
  t.equal((await asRevoked('GET', '/todos')).statusCode, 200)
  t.equal((await asExpired('GET', '/todos')).statusCode, 200)
  t.equal((await user.ask('DELETE', `/tokens/${revoked.id}`)).statusCode, 204)
  await database.admin`
    update identity.access_tokens set expires_at = now(), created_at = now() - interval '1 day' where id = ${expired.id}`
  await isDead(t, asRevoked)
  await isDead(t, asExpired)
})
