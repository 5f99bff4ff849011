import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { writeToken } from '../../src/credentials/opaque-tokens.ts'
import { header, startSmtpServer } from '../mail/smtp-server.ts'
import { createApp, logIn, password, problem, type TestUser } from '../support/app.ts'
import { cloneDatabase } from '../support/clone-database.ts'

const database = await cloneDatabase(t)
const { admin } = database
const { port, mails } = await startSmtpServer(t)
const env = {
  MAIL_URL: `smtp://127.0.0.1:${port}?tls=none`,
  MAIL_FROM: 'todo@example.com',
  PUBLIC_URL: 'https://todo.example.com',
}
const app = await createApp(t, database, env)
type App = typeof app

/** Sends what is queued, and returns the newest mail to an address with this subject. */
async function mailTo(email: string, subject: RegExp, of: App = app) {
  await of.mail.sendDue()
  const found = mails.filter(
    ({ to, content }) => to[0] === email && subject.test(`${header(content, 'Subject')}`),
  )
  const content = `${found.at(-1)?.content}`.replaceAll(/=\r\n/g, '')
  return { count: found.length, token: /\/link#(todo_\w+_[\w-]+)/.exec(content)?.[1] ?? '', content }
}
const post = (url: string, payload: object, of: App = app) => of.inject({ method: 'POST', url, payload })
const reset = (token: string, more = {}) =>
  post('/password/reset', { token, new_password: 'a brand new password', ...more })
const forgot = (email: string, of: App = app) => post('/password/forgot', { email }, of)
const eventsOf = async ({ id }: { id: string }) => {
  const rows = await admin<
    { kind: string }[]
  >`select kind from identity.events where user_id = ${id} order by id`
  return rows.map(({ kind }) => kind)
}

/** Registers a user, who gets a mail to confirm the address. */
async function signUp(of: App = app): Promise<TestUser> {
  const email = `${randomUUID()}@example.com`
  const registered = await post('/register', { email, password }, of)
  return { id: registered.json().id, email, ...(await logIn(of, email)) }
}

t.test('mails a link that sets a new password once, and ends every session', async (t) => {
  const user = await signUp()
  const { token: access } = (
    await user.ask('POST', '/tokens', { name: 'script', scopes: ['account'] })
  ).json()
  const answer = await forgot(user.email.toUpperCase())
  t.equal(answer.statusCode, 202)
  t.equal(answer.body, '')
  const { token } = await mailTo(user.email, /new password/)
  t.match(token, /^todo_reset_/)
  const common = await reset(token, { new_password: 'password123' })
  t.match(common.json(), { errors: [{ pointer: '/new_password', code: 'common_password' }] })
  const own = await reset(token, { new_password: `x${user.email.split('@')[0]}` })
  t.match(own.json(), { errors: [{ code: 'contains_email' }] })
  t.equal((await reset(token)).statusCode, 204)
  problem(t, await reset(token), 400, 'invalid_mailed_token')
  problem(t, await user.ask('GET', '/me'), 401, 'revoked_token')
  problem(t, await post('/login', { email: user.email, password }), 401, 'invalid_credentials')
  const again = await logIn(app, user.email, 'a brand new password')
  t.ok((await again.ask('GET', '/me')).json().email_verified_at, 'the link proves the address')
  t.equal((await app.inject({ url: '/me', headers: { authorization: `Bearer ${access}` } })).statusCode, 200)
  t.equal((await mailTo(user.email, /was changed/)).count, 1)
  const kinds = await eventsOf(user)
  t.ok(kinds.includes('password_reset_requested') && kinds.includes('password_reset'))
})

t.test('revokes personal access tokens with the password if asked to', async (t) => {
  const user = await signUp()
  const other = await signUp()
  await Promise.all(
    [user, other].map(({ ask }) => ask('POST', '/tokens', { name: 'script', scopes: ['account'] })),
  )
  await forgot(user.email)
  const { token } = await mailTo(user.email, /new password/)
  t.equal((await reset(token, { revoke_tokens: true })).statusCode, 204)
  const rows =
    await admin`select user_id from identity.access_tokens where user_id in (${user.id}, ${other.id})`
  t.same([...rows], [{ user_id: other.id }])
})

t.test('answers the same for an unknown email, with the same statement, and mails nobody', async (t) => {
  const user = await signUp()
  await app.mail.sendDue()
  const before = mails.length
  const unknown = await forgot(`${randomUUID()}@example.com`)
  const known = await forgot(user.email)
  t.equal(unknown.statusCode, known.statusCode)
  t.equal(unknown.body, known.body)
  t.same(Object.keys(unknown.headers), Object.keys(known.headers))
  const [row] = await admin`select count(*)::integer as waiting from identity.mail_requests`
  t.equal(row?.waiting, 2, 'nobody has looked for the account yet')
  await app.mail.sendDue()
  t.same(
    mails.slice(before).flatMap(({ to }) => to),
    [user.email],
  )
})

t.test('mails an account at most five times an hour', async (t) => {
  const user = await signUp()
  for (let n = 0; n < 7; n++) t.equal((await forgot(user.email)).statusCode, 202)
  t.equal((await mailTo(user.email, /new password/)).count, 5)
  t.equal((await eventsOf(user)).filter((kind) => kind === 'password_reset_requested').length, 5)
})

t.test('accepts a token only as it was mailed, while it is valid, and for its purpose', async (t) => {
  const user = await signUp()
  await forgot(user.email)
  const { token } = await mailTo(user.email, /new password/)
  const { token: verify } = await mailTo(user.email, /Confirm/)
  const forged = writeToken('reset', user.id, Buffer.alloc(32))
  for (const wrong of ['', token.slice(0, -1), verify, verify.replace('verify', 'reset'), forged, user.token])
    problem(t, await reset(wrong), 400, 'invalid_mailed_token')
  problem(t, await post('/email/verify', { token }), 400, 'invalid_mailed_token')
  problem(t, await post('/email/undo', { token: verify }), 400, 'invalid_mailed_token')
  await admin`update identity.mail_tokens set expires_at = now() where user_id = ${user.id}`
  problem(t, await reset(token), 400, 'invalid_mailed_token')
  problem(t, await post('/email/verify', { token: verify }), 400, 'invalid_mailed_token')
  await admin`update identity.mail_tokens set expires_at = now() + interval '1 minute' where user_id = ${user.id}`
  t.equal((await reset(token)).statusCode, 204)
  problem(t, await post('/email/verify', { token: verify }), 400, 'invalid_mailed_token')
})

t.test('lets one of two requests with the same token win', async (t) => {
  const user = await signUp()
  await forgot(user.email)
  const { token } = await mailTo(user.email, /new password/)
  const answers = await Promise.all([reset(token), reset(token), reset(token)])
  t.same(answers.map(({ statusCode }) => statusCode).sort(), [204, 400, 400])
})

t.test('confirms the address after the registration, and mails again on request', async (t) => {
  const user = await signUp()
  t.equal((await user.ask('GET', '/me')).json().email_verified_at, null)
  t.equal((await user.ask('POST', '/me/email/verify')).statusCode, 202)
  const { count, token } = await mailTo(user.email, /Confirm your email address/)
  t.equal(count, 2)
  t.equal((await post('/email/verify', { token })).statusCode, 204)
  t.match((await user.ask('GET', '/me')).json(), { email_verified_at: /Z$/ })
  problem(t, await user.ask('POST', '/me/email/verify'), 409, 'conflict')
  problem(t, await post('/email/verify', { token }), 400, 'invalid_mailed_token')
  t.ok((await eventsOf(user)).includes('email_verified'))
  const other = await signUp()
  for (let n = 0; n < 4; n++) await other.ask('POST', '/me/email/verify')
  problem(t, await other.ask('POST', '/me/email/verify'), 429, 'rate_limited')
})

t.test('changes the address when the new one is confirmed, and lets the old one undo it', async (t) => {
  const user = await signUp()
  const change = async (email: string) => user.ask('PATCH', '/me', { email, current_password: password })
  const [first, second] = [`${randomUUID()}@example.com`, `${randomUUID()}@example.com`]
  await change(first)
  const { token: replaced } = await mailTo(first, /Confirm your new/)
  const answer = await change(second)
  t.match(answer.json(), { email: user.email })
  const { token } = await mailTo(second, /Confirm your new/)
  problem(t, await post('/email/verify', { token: replaced }), 400, 'invalid_mailed_token')
  t.equal((await post('/email/verify', { token })).statusCode, 204)
  t.match((await user.ask('GET', '/me')).json(), { email: second, email_verified_at: /Z$/ })
  const { token: undo, content } = await mailTo(user.email, /address was changed/)
  t.match(content, second)
  t.equal((await post('/email/undo', { token: undo })).statusCode, 204)
  problem(t, await user.ask('GET', '/me'), 401, 'revoked_token')
  const again = await logIn(app, user.email)
  t.match((await again.ask('GET', '/me')).json(), { email: user.email })
  problem(t, await post('/email/undo', { token: undo }), 400, 'invalid_mailed_token')
  const kinds = await eventsOf(user)
  for (const kind of ['email_change_requested', 'email_changed', 'email_change_undone'])
    t.ok(kinds.includes(kind), kind)
})

t.test('cannot be locked out of undoing by further changes', async (t) => {
  const user = await signUp()
  const [first, second] = [`${randomUUID()}@example.com`, `${randomUUID()}@example.com`]
  const undos: string[] = []
  for (const [from, to] of [
    [user.email, first],
    [first, second],
  ] as const) {
    await user.ask('PATCH', '/me', { email: to, current_password: password })
    const { token } = await mailTo(to, /Confirm your new/)
    await post('/email/verify', { token })
    undos.push((await mailTo(from, /address was changed/)).token)
  }
  const [atFirst = '', later = ''] = undos
  t.equal((await post('/email/undo', { token: later })).statusCode, 204)
  t.equal((await post('/email/undo', { token: atFirst })).statusCode, 204)
  t.ok((await logIn(app, user.email)).token)
  problem(t, await post('/email/undo', { token: later }), 400, 'invalid_mailed_token')
})

t.test('withdraws the links of somebody who knew the old password', async (t) => {
  const user = await signUp()
  const taken = `${randomUUID()}@example.com`
  await user.ask('PATCH', '/me', { email: taken, current_password: password })
  const { token } = await mailTo(taken, /Confirm your new/)
  await user.ask('PATCH', '/me', { new_password: 'a brand new password', current_password: password })
  problem(t, await post('/email/verify', { token }), 400, 'invalid_mailed_token')
  t.equal((await mailTo(user.email, /password was changed/)).count, 1)
})

t.test('refuses a taken address, changes only its letters at once, and limits its mails', async (t) => {
  const [user, other] = [await signUp(), await signUp()]
  const change = async (email: string) => user.ask('PATCH', '/me', { email, current_password: password })
  problem(t, await change(other.email), 409, 'email_taken')
  t.match((await change(user.email.toUpperCase())).json(), { email: user.email.toUpperCase() })
  const target = `${randomUUID()}@example.com`
  for (let n = 0; n < 5; n++) t.equal((await change(target)).statusCode, 200)
  problem(t, await change(target), 429, 'rate_limited')
  const { token } = await mailTo(target, /Confirm your new/)
  await post('/register', { email: target, password })
  problem(t, await post('/email/verify', { token }), 409, 'email_taken')
})

t.test('refuses writes until the address is confirmed, if the operator wants that', async (t: Test) => {
  const strict = await createApp(t, database, { ...env, REQUIRE_VERIFIED_EMAIL: 'true' })
  const user = await signUp(strict)
  problem(t, await user.ask('POST', '/todos', { title: 'too early' }), 403, 'email_unverified')
  problem(
    t,
    await user.ask('POST', '/todos', { title: 'too early' }, { 'idempotency-key': 'a' }),
    403,
    'email_unverified',
  )
  t.equal((await user.ask('GET', '/todos')).json().data.length, 0)
  for (const url of ['/todos?all=true', '/trash?all=true'])
    problem(t, await user.ask('DELETE', url), 403, 'email_unverified')
  const seed = await user.ask('POST', '/me/totp')
  t.equal(seed.statusCode, 201, 'only todos wait for it')
  problem(t, await user.ask('DELETE', '/me/totp', { current_password: password }), 404, 'not_found')
  const made = await user.ask('POST', '/tokens', { name: 'x', scopes: ['todos:write'] })
  t.equal((await user.ask('DELETE', `/tokens/${made.json().id}`)).statusCode, 204)
  const { token } = await mailTo(user.email, /Confirm/, strict)
  t.equal((await post('/email/verify', { token }, strict)).statusCode, 204)
  t.equal((await user.ask('POST', '/todos', { title: 'in time' })).statusCode, 201)
  await user.ask('POST', '/logout')
  problem(t, await user.ask('POST', '/todos', { title: 'too late' }), 401, 'revoked_token')
  const leaving = await signUp(strict)
  const { ask } = await logIn(strict, leaving.email)
  t.equal((await ask('POST', '/logout', { everywhere: true })).statusCode, 204)
  t.equal((await (await logIn(strict, leaving.email)).ask('DELETE', '/me')).statusCode, 204)
})

t.test('hides which emails are registered, if the operator wants that', async (t: Test) => {
  const discreet = await createApp(t, database, { ...env, HIDE_REGISTRATION: 'true' })
  const email = `${randomUUID()}@example.com`
  const [added, taken] = [
    await post('/register', { email, password }, discreet),
    await post('/register', { email, password: 'another long password' }, discreet),
  ]
  for (const answer of [added, taken]) t.match(answer, { statusCode: 202, body: '' })
  t.same(Object.keys(added.headers), Object.keys(taken.headers))
  t.match(await mailTo(email, /Confirm/, discreet), { count: 1 })
  t.match(await mailTo(email, /already have/, discreet), { count: 1, token: '' })
  const user = await logIn(discreet, email)
  const other = await signUp()
  const change = { email: other.email, current_password: password }
  t.equal((await user.ask('PATCH', '/me', change)).statusCode, 200, 'nor by a change of the address')
  const { token } = await mailTo(other.email, /Confirm your new/, discreet)
  problem(t, await post('/email/verify', { token }, discreet), 409, 'email_taken')
})

t.test('says that there is no mail, and changes an address at once', async (t: Test) => {
  const silent = await createApp(t, database)
  const user = await signUp(silent)
  problem(t, await forgot(user.email, silent), 404, 'mail_disabled')
  problem(t, await user.ask('POST', '/me/email/verify'), 404, 'mail_disabled')
  const email = `${randomUUID()}@example.com`
  const answer = await user.ask('PATCH', '/me', { email, current_password: password })
  t.match(answer.json(), { email, email_verified_at: null })
})

t.test('limits requests for mails per address and account', async (t: Test) => {
  const limited = await createApp(t, database, {
    ...env,
    RATE_LIMIT_LOGIN_ACCOUNT: '1',
    RATE_LIMIT_LOGIN: '3',
  })
  const [ada, bob] = [`${randomUUID()}@example.com`, `${randomUUID()}@example.com`]
  t.equal((await forgot(ada, limited)).statusCode, 202)
  problem(t, await forgot(ada, limited), 429, 'rate_limited')
  t.equal((await forgot(bob, limited)).statusCode, 202)
  problem(t, await forgot(`${randomUUID()}@example.com`, limited), 429, 'rate_limited')
})

t.test('serves a page for mailed links, whose script comes from the service alone', async (t) => {
  const page = await app.inject('/link')
  t.match(page.headers, {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': /default-src 'none';.*script-src 'self'; connect-src 'self'$/,
    'referrer-policy': 'no-referrer',
  })
  const [, script = ''] = /<script src="([^"]+)"/.exec(page.body) ?? []
  t.match((await app.inject(script)).headers['content-type'], /^text\/javascript/)
  t.notMatch(page.body, /todo_reset_/)
})
