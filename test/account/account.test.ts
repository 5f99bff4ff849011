import t from 'tap'
import { askWith, createApp, logIn, password, problem, setUp, signUp } from '../support/app.ts'

const { app, database } = await setUp(t)
const login = (email: string, secret = password) =>
  app.inject({ method: 'POST', url: '/login', payload: { email, password: secret } })
const newPassword = 'another horse battery'

t.test('changes the email', async (t) => {
  const user = await signUp(app)
  const answer = await user.ask('PATCH', '/me', { email: `new-${user.email}`, current_password: password })
  t.equal(answer.statusCode, 200)
  t.match(answer.json(), { id: user.id, email: `new-${user.email}` })
  t.equal((await login(`new-${user.email}`)).statusCode, 200)
  problem(t, await login(user.email), 401, 'invalid_credentials')
})

t.test('changes the password', async (t) => {
  const user = await signUp(app)
  const change = { new_password: newPassword, current_password: password }
  t.equal((await user.ask('PATCH', '/me', change)).statusCode, 200)
  problem(t, await login(user.email), 401, 'invalid_credentials')
  t.equal((await login(user.email, newPassword)).statusCode, 200)
})

t.test('changes nothing without the current password', async (t) => {
  const user = await signUp(app)
  const change = { email: `new-${user.email}`, new_password: newPassword }
  const wrong = await user.ask('PATCH', '/me', { ...change, current_password: 'not it at all' })
  problem(t, wrong, 401, 'invalid_credentials')
  t.equal(wrong.headers['www-authenticate'], 'Bearer realm="todo"')
  const missing = await user.ask('PATCH', '/me', change)
  problem(t, missing, 400, 'invalid_request')
  t.match(missing.json().errors, [{ pointer: '/current_password' }])
  t.equal((await login(user.email)).statusCode, 200)
  t.equal((await user.ask('PATCH', '/me', { current_password: password })).json().email, user.email)
})

t.test('refuses an email that is taken, a common password, and one that is too short', async (t) => {
  const [ada, bob] = [await signUp(app), await signUp(app)]
  const change = (members: object) => ada.ask('PATCH', '/me', { ...members, current_password: password })
  problem(t, await change({ email: bob.email.toUpperCase() }), 409, 'email_taken')
  for (const new_password of ['iloveyou', 'short']) {
    const answer = await change({ new_password })
    problem(t, answer, 400, 'invalid_request')
    t.match(answer.json().errors, [{ pointer: '/new_password' }])
  }
  t.equal((await change({ email: ada.email.toUpperCase() })).json().email, ada.email.toUpperCase())
})

t.test('limits tries of the current password like logins', async (t) => {
  const limited = await createApp(t, database, { RATE_LIMIT_LOGIN_ACCOUNT: '3' })
  const user = await signUp(limited)
  for (let n = 0; n < 3; n++)
    t.equal((await user.ask('PATCH', '/me', { current_password: `wrong ${n}` })).statusCode, 401)
  problem(t, await user.ask('PATCH', '/me', { current_password: password }), 429, 'rate_limited')
})

t.test('deletes the account and all that is in it', async (t) => {
  const [ada, bob] = [await signUp(app), await signUp(app)]
  for (const user of [ada, bob]) {
    await user.ask('POST', '/todos', { title: 'a' })
    await user.ask('POST', '/tokens', { name: 'a', scopes: ['account'] })
  }
  t.equal((await ada.ask('DELETE', '/me')).statusCode, 204)
  const left = await database.admin`
    select u.id, (select count(*)::int from todos where user_id = u.id) as todos,
           (select count(*)::int from identity.credentials where user_id = u.id) as credentials,
           (select count(*)::int from identity.sessions where user_id = u.id) as sessions,
           (select count(*)::int from identity.refresh_tokens where user_id = u.id) as refresh_tokens,
           (select count(*)::int from identity.access_tokens where user_id = u.id) as tokens,
           (select count(*)::int from identity.events where user_id = u.id) as events
    from (values (${ada.id}::uuid), (${bob.id})) as u (id)`
  const [none, all] = left
  t.match(none, { todos: 0, credentials: 0, sessions: 0, refresh_tokens: 0, tokens: 0, events: 0 })
  t.match(all, { todos: 1, credentials: 1, sessions: 1, refresh_tokens: 1, tokens: 1, events: 2 })
  problem(t, await login(ada.email), 401, 'invalid_credentials')
  const registered = { method: 'POST', url: '/register', payload: { email: ada.email, password } } as const
  t.equal((await app.inject(registered)).statusCode, 201, 'the email is free again')
})

t.test('deletes nothing without a recent login', async (t) => {
  const user = await signUp(app)
  const { token } = (await user.ask('POST', '/tokens', { name: 'a', scopes: ['account'] })).json()
  const refused = await askWith(app, token)('DELETE', '/me')
  problem(t, refused, 403, 'login_required')
  t.match(refused.headers['www-authenticate'], /error="insufficient_user_authentication", max_age="600"/)
  await database.admin`
    update identity.sessions set created_at = now() - interval '10 minutes' where user_id = ${user.id}`
  problem(t, await user.ask('DELETE', '/me'), 403, 'login_required')
  const fresh = await logIn(app, user.email)
  t.equal((await fresh.ask('DELETE', '/me')).statusCode, 204)
})

t.test('lists the active sessions', async (t) => {
  const user = await signUp(app)
  const other = await logIn(app, user.email)
  const { data, ...page } = (await user.ask('GET', '/me/sessions')).json()
  t.same(page, { limit: 20, offset: 0, has_more: false })
  t.match(data, [
    { current: false, ip: '127.0.0.1', user_agent: 'lightMyRequest' },
    { current: true, created_at: /Z$/, last_used_at: /Z$/, expires_at: /Z$/ },
  ])
  t.same((await other.ask('GET', '/me/sessions?limit=1')).json().data[0].current, true)
  t.equal((await other.ask('GET', '/me/sessions?limit=1')).json().has_more, true)
  await database.admin`update identity.sessions set expires_at = now() where id = ${data[1].id}`
  t.equal((await other.ask('GET', '/me/sessions')).json().data.length, 1)
})

t.test('notes the use of a session, at most once a minute', async (t) => {
  const user = await signUp(app)
  await database.admin`
    update identity.sessions set last_used_at = now() - interval '2 minutes' where user_id = ${user.id}`
  await user.ask('GET', '/todos')
  for (let recent = false; !recent; ) {
    const [row] = await database.admin`
      select last_used_at > now() - interval '1 minute' as recent from identity.sessions where user_id = ${user.id}`
    recent = row?.recent
  }
  t.pass('it was noted')
})

t.test('keeps a trail of what happened to the account', async (t) => {
  const user = await signUp(app)
  await login(user.email, 'not it at all')
  const { id } = (await user.ask('POST', '/tokens', { name: 'a', scopes: ['account'] })).json()
  await user.ask('DELETE', `/tokens/${id}`)
  const change = { email: `new-${user.email}`, new_password: newPassword, current_password: password }
  await user.ask('PATCH', '/me', change)
  const { data } = (await user.ask('GET', '/me/events')).json()
  t.same(
    data.map(({ kind }: { kind: string }) => kind),
    ['password_changed', 'email_changed', 'token_revoked', 'token_created', 'login_failed', 'login'],
  )
  t.match(data[3], { subject_id: id, ip: '127.0.0.1', user_agent: 'lightMyRequest', created_at: /Z$/ })
  t.match(data[4], { subject_id: null })
  t.notMatch(JSON.stringify(data), /horse|not it|\$2b|todo_/, 'with no secret in it')
  t.equal((await user.ask('GET', '/me/events?limit=2&offset=4')).json().data[0].kind, 'login_failed')
})

t.test('lists five failed logins an hour one by one, and counts the rest', async (t) => {
  const [user, other] = [await signUp(app), await signUp(app)]
  const failures = async () => {
    const { data } = (await user.ask('GET', '/me/events')).json()
    return data
      .filter(({ kind }: { kind: string }) => kind === 'login_failed')
      .map(({ count }: { count: number }) => count)
      .reverse()
  }
  await Promise.all(Array.from({ length: 20 }, () => login(user.email, 'not it at all')))
  const first = await failures()
  t.equal(first.length, 5)
  t.equal(
    first.reduce((sum: number, count: number) => sum + count),
    20,
  )
  t.equal((await login(user.email)).statusCode, 200, 'and the user still logs in')
  await login(user.email, 'x'.repeat(200))
  t.equal((await failures()).length, 5)
  t.equal((await other.ask('GET', '/me/events')).json().data.length, 1)
  await database.admin`
    update identity.events set created_at = created_at - interval '1 hour' where user_id = ${user.id}`
  await login(user.email, 'not it at all')
  t.equal((await failures()).length, 6, 'a new hour')
  const exported = (await user.ask('GET', '/me/export')).json()
  t.equal(
    exported.events.reduce((sum: number, { count }: { count: number }) => sum + count, 0),
    24,
  )
})

t.test("exports all of the user's data, over many pages", async (t) => {
  const [ada, bob] = [await signUp(app), await signUp(app)]
  await bob.ask('POST', '/todos', { title: "bob's" })
  await ada.ask('POST', '/tokens', { name: 'a', scopes: ['account'] })
  await database.admin`
    insert into todos (user_id, id, title, folded_title) select ${ada.id}, gen_random_uuid(), n::text, n::text from generate_series(1, 250) n`
  const answer = await ada.ask('GET', '/me/export')
  t.equal(answer.statusCode, 200)
  t.equal(answer.headers['content-type'], 'application/json; charset=utf-8')
  const { user, sessions, tokens, events, todos } = answer.json()
  t.match(user, { id: ada.id, email: ada.email })
  t.match([sessions, tokens], [[{ current: true }], [{ name: 'a' }]])
  t.equal(events.length, 2)
  t.equal(new Set(todos.map(({ title }: { title: string }) => title)).size, 250)
  const todo = todos[0]
  t.same((await ada.ask('GET', `/todos/${todo.id}`)).json(), todo, 'each todo as the API shows it')
})

t.test('cuts an export short when the session ends while it is read', async (t) => {
  const user = await signUp(app)
  await database.admin`
    insert into todos (user_id, id, title, folded_title, notes)
    select ${user.id}, gen_random_uuid(), n::text, n::text, repeat('x', 10000) from generate_series(1, 2000) n`
  await app.listen({ port: 0, host: '127.0.0.1' })
  const answer = await fetch(`${app.listeningOrigin}/me/export`, {
    headers: { authorization: `Bearer ${user.token}` },
  })
  t.equal(answer.status, 200)
  await user.ask('POST', '/logout')
  await t.rejects(answer.text(), 'the connection is cut, so nobody takes it for the whole')
})
