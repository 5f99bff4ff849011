import { Secret, TOTP } from 'otpauth'
import t, { type Test } from 'tap'
import { createSeedBox } from '../../src/credentials/totp.ts'
import { askWith, createApp, logIn, password, problem, setUp, signUp, type TestUser } from '../support/app.ts'

/** The app's clock, which the authenticator app shares. */
const clock = { now: Date.now() }
const now = () => clock.now
const { app, database } = await setUp(t, {}, { now })

interface Device {
  /** The code of the current period, or of one so many later. */
  code(periods?: number): string
  recoveryCodes: string[]
}

/** Turns the second factor on. The period of the first code is over afterwards. */
async function enroll(user: TestUser): Promise<Device> {
  const { secret } = (await user.ask('POST', '/me/totp')).json()
  const totp = new TOTP({ secret: Secret.fromBase32(secret) })
  const code = (periods = 0) => totp.generate({ timestamp: now() + periods * 30_000 })
  const confirmed = await user.ask('POST', '/me/totp/confirm', { code: code() })
  clock.now += 30_000
  return { code, recoveryCodes: confirmed.json().recovery_codes }
}

const login = (email: string, code?: string, secret = password, on = app) =>
  on.inject({ method: 'POST', url: '/login', payload: { email, password: secret, code } })
const kindsOf = async (user: TestUser) =>
  (await user.ask('GET', '/me/events')).json().data.map(({ kind }: { kind: string }) => kind)
/** Moves the login of a user's sessions back. */
const age = (user: TestUser) =>
  database.admin`update identity.sessions set created_at = now() - interval '11 minutes' where user_id = ${user.id}`
const wrong = (code: string) => String((Number(code) + 1) % 1_000_000).padStart(6, '0')

t.test('needs a code at each login once the first code is confirmed, and not before', async (t) => {
  const user = await signUp(app)
  t.same((await user.ask('GET', '/me/totp')).json(), {
    enabled: false,
    confirmed_at: null,
    recovery_codes: 0,
  })
  const started = await user.ask('POST', '/me/totp')
  t.equal(started.statusCode, 201)
  const { secret, otpauth_url } = started.json()
  t.equal(new URL(otpauth_url).searchParams.get('secret'), secret)
  t.match(otpauth_url, encodeURIComponent(user.email))
  t.equal((await login(user.email)).statusCode, 200, 'it is not confirmed yet')

  const device = await enroll(user)
  t.equal(device.recoveryCodes.length, 10)
  t.match((await user.ask('GET', '/me/totp')).json(), {
    enabled: true,
    confirmed_at: /Z$/,
    recovery_codes: 10,
  })
  const refused = await login(user.email)
  problem(t, refused, 401, 'code_required')
  t.equal(refused.headers['www-authenticate'], 'Bearer realm="todo"')
  problem(t, await login(user.email, wrong(device.code())), 401, 'invalid_code')
  problem(t, await login(user.email, 'anything'), 401, 'invalid_code')
  t.equal(
    (await login(user.email, ` ${device.code().slice(0, 3)} ${device.code().slice(3)}`)).statusCode,
    200,
  )
  t.same((await kindsOf(user)).slice(0, 4), ['login', 'totp_failed', 'totp_failed', 'totp_enabled'])
})

t.test('tells nobody without the password whether there is a second factor', async (t) => {
  const [user, other] = [await signUp(app), await signUp(app)]
  const device = await enroll(user)
  const answers = [
    await login(user.email, device.code(), 'not it at all'),
    await login(user.email, undefined, 'not it at all'),
    await login(other.email, '123456', 'not it at all'),
    await login('nobody@example.com', '123456'),
  ]
  for (const answer of answers) {
    problem(t, answer, 401, 'invalid_credentials')
    t.same({ ...answer.json(), request_id: '' }, { ...answers[0]?.json(), request_id: '' })
  }
  t.equal((await login(other.email, '123456')).statusCode, 200, 'without one a code is ignored')
})

t.test('takes each code once, also when two logins send it at once', async (t) => {
  const user = await signUp(app)
  const device = await enroll(user)
  problem(t, await login(user.email, device.code(-1)), 401, 'invalid_code')
  const answers = await Promise.all([login(user.email, device.code()), login(user.email, device.code())])
  t.same(answers.map(({ statusCode }) => statusCode).sort(), [200, 401])
  problem(t, await login(user.email, device.code()), 401, 'invalid_code')
  t.equal((await login(user.email, device.code(1))).statusCode, 200, 'a clock half a minute ahead')
  problem(t, await login(user.email, device.code(3)), 401, 'invalid_code')
})

t.test('takes each recovery code once', async (t) => {
  const [user, other] = [await signUp(app), await signUp(app)]
  const { recoveryCodes } = await enroll(user)
  const [first = '', second = ''] = recoveryCodes
  problem(t, await login(user.email, (await enroll(other)).recoveryCodes[0]), 401, 'invalid_code')
  t.equal((await login(user.email, first)).statusCode, 200)
  problem(t, await login(user.email, first), 401, 'invalid_code')
  t.equal((await login(user.email, second.replaceAll('-', ' ').toUpperCase())).statusCode, 200)
  t.equal((await user.ask('GET', '/me/totp')).json().recovery_codes, 8)
  t.equal((await kindsOf(user))[0], 'recovery_code_used')
  const rows = await database.admin`select hash from identity.recovery_codes where user_id = ${user.id}`
  t.notOk(rows.some(({ hash }) => recoveryCodes.includes(`${hash}`)))
})

t.test('refuses further codes after five wrong ones in 15 minutes, the right one too', async (t) => {
  const user = await signUp(app)
  const device = await enroll(user)
  for (let n = 0; n < 5; n++) problem(t, await login(user.email, 'wrong'), 401, 'invalid_code')
  for (const code of [device.code(), device.recoveryCodes[0], undefined]) {
    const answer = await login(user.email, code)
    problem(t, answer, 429, 'rate_limited')
    const seconds = Number(answer.headers['retry-after'])
    t.ok(seconds > 800 && seconds <= 900)
  }
  problem(t, await login(user.email, undefined, 'not it at all'), 401, 'invalid_credentials')
  await database.admin`
    update identity.totp_seeds set failures_since = now() - interval '15 minutes' where user_id = ${user.id}`
  problem(t, await login(user.email, 'wrong'), 401, 'invalid_code')
  t.equal((await login(user.email, device.code())).statusCode, 200)
})

t.test('ends every other session when it is turned on', async (t) => {
  const user = await signUp(app)
  const other = await logIn(app, user.email)
  await enroll(user)
  problem(t, await other.ask('GET', '/todos'), 401, 'revoked_token')
  t.equal((await user.ask('GET', '/todos')).statusCode, 200)
})

t.test('is turned on and off only soon after a login, and off only with the password', async (t) => {
  const user = await signUp(app)
  const off = (current_password: string) => user.ask('DELETE', '/me/totp', { current_password })
  problem(t, await off(password), 404, 'not_found')
  problem(t, await user.ask('POST', '/me/totp/confirm', { code: '123456' }), 404, 'not_found')
  await user.ask('POST', '/me/totp')
  const unconfirmed = await user.ask('POST', '/me/totp/confirm', { code: 'wrong' })
  problem(t, unconfirmed, 400, 'invalid_request')
  t.match(unconfirmed.json().errors, [{ pointer: '/code', code: 'wrong_code' }])
  const device = await enroll(user)
  problem(t, await user.ask('POST', '/me/totp'), 409, 'totp_enabled')

  problem(t, await off('not it at all'), 401, 'invalid_credentials')
  await age(user)
  problem(t, await off(password), 403, 'login_required')
  const fresh = { ...user, ...(await askAs(user.email, device.code())) }
  t.equal((await fresh.ask('DELETE', '/me/totp', { current_password: password })).statusCode, 204)
  t.equal((await login(user.email)).statusCode, 200)
  t.equal((await kindsOf(user))[1], 'totp_disabled')

  const seed = await fresh.ask('POST', '/me/totp')
  t.equal(seed.statusCode, 201, 'and on again')
  await age(user)
  problem(t, await fresh.ask('POST', '/me/totp'), 403, 'login_required')
  const code = new TOTP({ secret: Secret.fromBase32(seed.json().secret) }).generate({ timestamp: now() })
  problem(t, await fresh.ask('POST', '/me/totp/confirm', { code }), 403, 'login_required')
})

t.test('is not for personal access tokens', async (t) => {
  const user = await signUp(app)
  const { token } = (await user.ask('POST', '/tokens', { name: 'x', scopes: ['account'] })).json()
  problem(t, await askWith(app, token)('POST', '/me/totp'), 403, 'login_required')
})

t.test('encrypts the seed again after a change of the key, and needs the key', async (t) => {
  const user = await signUp(app)
  const device = await enroll(user)
  const sealed = async () =>
    (await database.admin`select sealed_seed from identity.totp_seeds where user_id = ${user.id}`)[0]
      ?.sealed_seed
  const [old, next] = ['only-for-tests-only-for-tests-only-for-tests', 'n'.repeat(32)]
  const before = await sealed()
  const lost = await createApp(t, database, { TOTP_KEY: next }, { now })
  problem(t, await login(user.email, device.code(), password, lost), 503, 'unavailable')
  const rotating = await createApp(t, database, { TOTP_KEY: next, TOTP_KEY_PREVIOUS: old }, { now })
  t.equal((await login(user.email, device.code(), password, rotating)).statusCode, 200)
  t.notSame(await sealed(), before)
  clock.now += 30_000
  t.equal((await login(user.email, device.code(), password, lost)).statusCode, 200, 'the old key can go')
  t.throws(() => createSeedBox({ TOTP_KEY: next, TOTP_KEY_PREVIOUS: '' }).open(before, user.id), /TOTP_KEY/)

  const without = await createApp(t, database, { TOTP_KEY: '' }, { now })
  const answer = await askWith(without, user.token)('POST', '/me/totp')
  problem(t, answer, 404, 'not_found')
  t.match(answer.json().detail, /no second factor/)
  t.equal((await login(user.email, device.recoveryCodes[0], password, without)).statusCode, 200)
})

t.test('keeps the seed of one user useless to another', async (t: Test) => {
  const [ada, bob] = [await signUp(app), await signUp(app)]
  const device = await enroll(ada)
  await enroll(bob)
  await database.admin`
    update identity.totp_seeds b set sealed_seed = a.sealed_seed, proof_hash = a.proof_hash
    from identity.totp_seeds a where a.user_id = ${ada.id} and b.user_id = ${bob.id}`
  problem(t, await login(bob.email, device.code()), 503, 'unavailable')
})

async function askAs(email: string, code: string) {
  const { access_token } = (await login(email, code)).json()
  return { ask: askWith(app, access_token) }
}
