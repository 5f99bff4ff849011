import t from 'tap'
import { createApp, password, problem, setUp, signUp } from '../support/app.ts'

const { app, database } = await setUp(t)
const post = (url: string, payload: object) => app.inject({ method: 'POST', url, payload })

t.test('registers a user', async (t) => {
  const answer = await post('/register', { email: 'Ada@Example.com', password })
  t.equal(answer.statusCode, 201)
  t.match(answer.json(), { id: /^[0-9a-f-]{36}$/, email: 'Ada@Example.com', created_at: /T.*Z$/ })
  t.same(
    Object.keys(answer.json()),
    ['id', 'email', 'email_verified_at', 'created_at'],
    'and answers nothing else',
  )
})

t.test('rejects an email that is taken, regardless of case', async (t) => {
  await post('/register', { email: 'grace@example.com', password })
  problem(t, await post('/register', { email: 'GRACE@example.com', password }), 409, 'email_taken')
})

t.test('refuses a bad email or password, and names the member', async (t) => {
  const bad: [object, string][] = [
    [{ email: 'nobody', password }, '/email'],
    [{ email: `${'a'.repeat(250)}@example.com`, password }, '/email'],
    [{ email: 'a@example.com', password: 'short' }, '/password'],
    [{ email: 'a@example.com', password: 'é'.repeat(129) }, '/password'],
    [{ email: 'a@example.com', password: 'with a \u0000 in it' }, '/password'],
    [{ email: 'a@example.com', password: 'with a \ud800 in it' }, '/password'],
    [{ email: 'a@example.com' }, '/password'],
    [{ email: 'a@example.com', password, admin: true }, '/admin'],
    [{ email: 'a@example.com', password: 12345678 }, '/password'],
  ]
  for (const [payload, pointer] of bad) {
    const answer = await post('/register', payload)
    problem(t, answer, 400, 'invalid_request')
    t.match(answer.json().errors, [{ pointer }], JSON.stringify(payload))
  }
})

t.test('keeps the password as a bcrypt hash of the configured cost', async (t) => {
  const user = await signUp(app)
  const [row] =
    await database.admin`select password_hash from identity.credentials where user_id = ${user.id}`
  t.match(row?.password_hash, /^\$2b\$04\$/)
})

t.test('refuses a locked user the login, once the password is right', async (t) => {
  const { email } = await signUp(app)
  const login = (secret: string) => post('/login', { email, password: secret })
  const operate = (command: string) =>
    database.admin`select app.operate_on_user(${command}, ${email}, null, gen_random_uuid())`
  await operate('lock')
  problem(t, await login(password), 403, 'account_locked')
  problem(t, await login('another password'), 401, 'invalid_credentials')
  await operate('unlock')
  t.equal((await login(password)).statusCode, 200)
})

t.test('logs in regardless of the case of the email', async (t) => {
  const { email } = await signUp(app)
  const answer = await post('/login', { email: email.toUpperCase(), password })
  t.equal(answer.statusCode, 200)
  t.match(answer.json(), { token_type: 'Bearer', expires_in: 900, scope: 'todos:read todos:write account' })
  t.equal(answer.headers['cache-control'], 'no-store')
})

t.test('returns the same response for a wrong password and an unknown email', async (t) => {
  const { email } = await signUp(app)
  const wrong = await post('/login', { email, password: 'not it at all' })
  const unknown = await post('/login', { email: 'nobody@example.com', password })
  problem(t, wrong, 401, 'invalid_credentials')
  problem(t, unknown, 401, 'invalid_credentials')
  t.same({ ...wrong.json(), request_id: '' }, { ...unknown.json(), request_id: '' })
})

t.test('keeps where a session was opened from', async (t) => {
  const { id, email } = await signUp(app)
  const login = (headers: Record<string, string | undefined>) =>
    app.inject({
      method: 'POST',
      url: '/login',
      payload: { email, password },
      headers: headers as Record<string, string>,
    })
  await login({ 'user-agent': 'x'.repeat(600) })
  await login({ 'user-agent': undefined })
  const sessions = await database.admin`
    select host(ip) as ip, user_agent from identity.sessions where user_id = ${id} order by id`
  t.same(
    sessions.map(({ ip }) => ip),
    Array(3).fill('127.0.0.1'),
  )
  t.same(
    sessions.slice(1).map(({ user_agent }) => user_agent),
    ['x'.repeat(512), null],
  )
})

t.test(
  'hashes in a worker, while the event loop goes on, and refuses what would wait too long',
  async (t) => {
    const busy = await createApp(t, database, { BCRYPT_COST: '8' })
    const order: string[] = []
    const logins = Array.from({ length: 60 }, async (_, n) => {
      const payload = { email: `busy${n}@example.com`, password }
      const answer = await busy.inject({ method: 'POST', url: '/login', payload })
      order.push('login')
      return answer
    })
    const first = await Promise.race(logins)
    t.equal((await busy.inject('/health')).statusCode, 200)
    t.ok(order.length < 60, 'a request was answered while hashes were waiting')
    const answers = await Promise.all(logins)
    const refused = answers.filter(({ statusCode }) => statusCode === 503)
    t.ok(refused.length > 0 && refused.length < 60)
    for (const answer of refused.slice(0, 3)) {
      problem(t, answer, 503, 'overloaded')
      t.equal(answer.headers['retry-after'], '1')
    }
    t.match(first, { statusCode: Number })
  },
)

t.test('rehashes the password at a login when the cost was changed, up or down', async (t) => {
  const { id, email } = await signUp(app)
  for (const cost of ['05', '06', '04']) {
    const changed = await createApp(t, database, { BCRYPT_COST: cost })
    const login = (secret: string) =>
      changed.inject({ method: 'POST', url: '/login', payload: { email, password: secret } })
    const stored = async () =>
      (await database.admin`select password_hash from identity.credentials where user_id = ${id}`)[0]
        ?.password_hash
    const before = await stored()
    problem(t, await login('not it at all'), 401, 'invalid_credentials')
    t.equal(await stored(), before, 'a failed login changes nothing')
    t.equal((await login(password)).statusCode, 200)
    t.equal((await stored()).slice(0, 7), `$2b$${cost}$`)
    t.equal((await login(password)).statusCode, 200, 'and it is still the password')
  }
})

t.test('shows the user who is asking', async (t) => {
  const [ada, bob] = [await signUp(app), await signUp(app)]
  t.match((await ada.ask('GET', '/me')).json(), { id: ada.id, email: ada.email })
  t.match((await bob.ask('GET', '/me')).json(), { id: bob.id, email: bob.email })
})

t.test('ends the oldest of more than 100 sessions', async (t) => {
  const user = await signUp(app)
  await database.admin`
    update identity.sessions set created_at = now() - interval '1 hour' where user_id = ${user.id}`
  await database.admin`
    insert into identity.sessions (user_id, id, secret_hash, scopes, expires_at)
    select ${user.id}, gen_random_uuid(), sha256('x'), '{account}', now() + interval '1 hour' from generate_series(1, 99)`
  t.equal((await user.ask('GET', '/me')).statusCode, 200, 'the hundredth')
  t.equal((await post('/login', { email: user.email, password })).statusCode, 200)
  problem(t, await user.ask('GET', '/me'), 401, 'revoked_token')
  const [row] =
    await database.admin`select count(*)::integer as n from identity.sessions where user_id = ${user.id}`
  t.equal(row?.n, 100)
})

t.test('mails about a login from a new device, except right after the registration', async (t) => {
  const user = await signUp(app)
  const login = (device: string) =>
    app.inject({
      method: 'POST',
      url: '/login',
      payload: { email: user.email, password },
      headers: { 'user-agent': device },
    })
  const mails = async () =>
    (
      await database.admin`
        select kind, params ->> 'user_agent' as device from identity.mails where user_id = ${user.id} order by created_at`
    ).map(({ kind, device }) => `${kind} ${device}`)
  await login('first')
  t.same(await mails(), [])
  await database.admin`update users set created_at = now() - interval '10 minutes' where id = ${user.id}`
  await login('first')
  t.same(await mails(), [])
  await login('second')
  await login('second')
  t.same(await mails(), ['login_from_new_device second'])
  await post('/login', { email: user.email, password: 'not it at all' })
  t.equal((await mails()).length, 1)
})
