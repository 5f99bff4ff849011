import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import postgres from 'postgres'
import t from 'tap'
import { askWith, logIn, password, problem, setUp, signUp, type TestUser } from '../../support/app.ts'

const { app, database } = await setUp(t)
/** Runs the command as the owner of the database. */
const users = (args: string[], MIGRATION_DATABASE_URL = database.ownerUrl) =>
  promisify(execFile)(
    process.execPath,
    ['--import', './test/support/strip-types.mjs', 'db/users.ts', ...args],
    {
      env: {
        ...process.env,
        DATA_DIR: t.testdirName,
        DATABASE_URL: '',
        MIGRATION_DATABASE_URL,
        PUBLIC_URL: 'https://todo.example.com',
      },
    },
  ).then(
    ({ stdout }) => ({ code: 0, stdout, stderr: '' }),
    ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
  )
const login = (email: string, secret = password) =>
  app.inject({ method: 'POST', url: '/login', payload: { email, password: secret } })
const refresh = ({ refreshToken: refresh_token }: TestUser) =>
  app.inject({ method: 'POST', url: '/refresh', payload: { refresh_token } })
/** Resets a user's password. @returns the token of the printed link */
async function tokenOfReset({ email }: TestUser): Promise<string> {
  const { stdout } = await users(['reset-password', email])
  return /not shown again: https:\/\/todo\.example\.com\/link#(todo_reset_[\w-]+)\n$/.exec(stdout)?.[1] ?? ''
}
const reset = (token: string, new_password: string) =>
  app.inject({ method: 'POST', url: '/password/reset', payload: { token, new_password } })
const kindsOf = async (user: TestUser) =>
  (await database.admin`select kind from identity.events where user_id = ${user.id} order by id desc`).map(
    ({ kind }) => kind,
  )

t.test('locks a user out and lets them in again', async (t) => {
  const [user, other] = [await signUp(app), await signUp(app)]
  const { token } = (await user.ask('POST', '/tokens', { name: 'x', scopes: ['account'] })).json()
  const script = askWith(app, token)
  const locked = await users(['lock', user.email.toUpperCase()])
  t.match(locked, { code: 0, stdout: `${user.email} is locked` })
  problem(t, await user.ask('GET', '/me'), 401, 'revoked_token')
  problem(t, await script('GET', '/me'), 401, 'revoked_token')
  problem(t, await refresh(user), 401, 'revoked_token')
  problem(t, await login(user.email), 403, 'account_locked')
  problem(t, await login(user.email, 'not it at all'), 401, 'invalid_credentials')
  t.equal((await other.ask('GET', '/me')).statusCode, 200)
  t.match(await users(['show', user.email]), { code: 0, stdout: /^locked_at +20\d\d-.*\nsessions +0$/ms })

  t.equal((await users(['unlock', user.email])).code, 0)
  t.equal((await script('GET', '/me')).statusCode, 200)
  t.equal((await login(user.email)).statusCode, 200)
  t.same((await kindsOf(user)).slice(0, 4), ['login', 'operator_unlocked', 'login_failed', 'operator_locked'])
})

t.test('ends sessions, resets the password and the second factor, and deletes', async (t) => {
  const [user, other] = [await signUp(app), await signUp(app)]
  await user.ask('POST', '/todos', { title: 'x' })
  await other.ask('POST', '/todos', { title: 'x' })
  t.equal((await users(['end-sessions', user.email])).code, 0)
  problem(t, await user.ask('GET', '/me'), 401, 'revoked_token')
  t.equal((await other.ask('GET', '/me')).statusCode, 200)

  const again = await logIn(app, user.email)
  const earlier = await tokenOfReset(user)
  const token = await tokenOfReset(user)
  problem(t, await again.ask('GET', '/me'), 401, 'revoked_token')
  problem(t, await login(user.email), 401, 'invalid_credentials')
  const secret = 'a brand new password'
  problem(t, await reset(earlier, secret), 400, 'invalid_mailed_token')
  t.equal((await reset(token, secret)).statusCode, 204)
  problem(t, await reset(token, secret), 400, 'invalid_mailed_token')
  const [row] = await database.admin`select email_verified_at from users where id = ${user.id}`
  t.equal(row?.email_verified_at, null, 'a link that was not mailed confirms no address')
  t.equal((await login(user.email, secret)).statusCode, 200)
  t.equal((await login(other.email)).statusCode, 200)

  for (const { id } of [user, other])
    await database.admin`
      insert into identity.totp_seeds (user_id, sealed_seed, proof_hash, confirmed_at)
      values (${id}, ${Buffer.alloc(48)}, ${Buffer.alloc(32)}, now())`
  problem(t, await login(user.email, secret), 401, 'code_required')
  t.equal((await users(['reset-totp', user.email])).code, 0)
  t.equal((await login(user.email, secret)).statusCode, 200)
  problem(t, await login(other.email), 401, 'code_required')
  t.same(
    (await kindsOf(user)).filter((kind) => kind.startsWith('operator')),
    ['operator_reset_totp', 'operator_reset_password', 'operator_reset_password', 'operator_ended_sessions'],
  )
  const mails = await database.admin`select kind from identity.mails where user_id = ${user.id} order by kind`
  t.same(
    mails.map(({ kind }) => kind),
    ['password_changed', 'password_changed', 'password_changed', 'second_factor_changed'],
  )

  t.match(await users(['delete', user.email]), { code: 0, stdout: /is deleted/ })
  const owners = await database.admin`select user_id from todos where user_id in (${user.id}, ${other.id})`
  t.same(
    owners.map(({ user_id }) => user_id),
    [other.id],
  )
  problem(t, await login(user.email, secret), 401, 'invalid_credentials')
  t.equal((await other.ask('GET', '/me')).statusCode, 200)
})

t.test('explains what it cannot do', async (t) => {
  const { email } = await signUp(app)
  t.match(await users(['show', 'nobody@example.com']), { code: 1, stderr: /No user has the email nobody@/ })
  for (const args of [[], ['show'], ['shoot', email], ['show', email, 'more']])
    t.match(await users(args), { code: 2, stderr: /^Usage: npm run users/ })
  t.match(await users(['show', email], ''), { code: 2, stderr: /^No database is configured/ })
  t.match(await users(['show', email], database.url), { code: 2, stderr: /permission denied/ })
})

t.test('is for the owner of the database alone, and does nothing that it does not know', async (t) => {
  const { email } = await signUp(app)
  const owner = postgres(database.ownerUrl, { max: 1, onnotice: () => {} })
  t.teardown(() => owner.end())
  const operate = (command: string) =>
    owner`select app.operate_on_user(${command}, ${email}, null, gen_random_uuid())`
  await t.rejects(operate('grant-admin'), { code: '20000' })
  await operate('lock')
  await operate('lock')
  await t.rejects(operate('reset-password'), { code: '23502' })
})
