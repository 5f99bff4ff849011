import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { foldEmail, isEmail } from '../../src/credentials/email.ts'
import { createApp, logIn, password, problem, setUp, signUp } from '../support/app.ts'

const { app, database } = await setUp(t)
const register = (email: string) =>
  app.inject({ method: 'POST', url: '/register', payload: { email, password } })
const login = (email: string) => app.inject({ method: 'POST', url: '/login', payload: { email, password } })

/** Letters with case, composed and decomposed forms, and special rules for case. */
const letters = fc.constantFrom(...'aZéÉñÅ\u212B\u1E69ΣσςßİıǅПж漢가')
const locals = fc.string({ unit: letters, minLength: 1, maxLength: 20 })

t.test('takes every spelling of an email for the same one', async (t) => {
  await fc.assert(
    fc.asyncProperty(locals, async (local) => {
      const email = `${local}.${randomUUID()}@example.com`
      const answer = await register(email)
      t.equal(answer.statusCode, 201, email)
      t.equal(answer.json().email, email, 'kept as sent')
      const spellings = [
        email.normalize('NFC'),
        email.normalize('NFD'),
        email.toUpperCase(),
        email.toLowerCase(),
      ]
      for (const same of spellings.filter((same) => [...same].length < 200)) {
        problem(t, await register(same), 409, 'email_taken')
        t.equal((await login(same)).statusCode, 200, same)
      }
    }),
    { numRuns: 15 },
  )
})

t.test('changes an email to another spelling, but not to one that another user has', async (t) => {
  const local = randomUUID()
  const user = await signUp(app)
  t.equal((await register(`Zoë.${local}@bücher.example`)).statusCode, 201)
  const change = (email: string) => user.ask('PATCH', '/me', { email, current_password: password })
  for (const taken of [`ZOE\u0308.${local}@BU\u0308CHER.example`, `zoë.${local}@xn--bcher-kva.example`])
    problem(t, await change(taken), 409, 'email_taken')
  t.equal((await change(`Émile.${local}@example.com`)).json().email, `Émile.${local}@example.com`)
  t.equal((await change(`e\u0301mile.${local}@example.com`)).statusCode, 200)
  t.ok((await logIn(app, `ÉMILE.${local}@EXAMPLE.COM`)).token)
  problem(t, await login(user.email), 401, 'invalid_credentials')
})

t.test('limits logins of one account, however its email is spelled', async (t) => {
  const limited = await createApp(t, database, { RATE_LIMIT_LOGIN_ACCOUNT: '3' })
  const tries = ['é@example.com', 'É@example.com', 'e\u0301@example.com', 'E\u0301@EXAMPLE.com'].map(
    (email) => ({
      email,
      password: 'not it at all',
    }),
  )
  for (const [n, payload] of tries.entries()) {
    const answer = await limited.inject({ method: 'POST', url: '/login', payload })
    t.equal(answer.statusCode, n < 3 ? 401 : 429)
  }
})

t.test('holds the folded form to an ASCII email, and to one account, in the database too', async (t) => {
  const insert = (email: string, folded: string) =>
    database.admin`insert into users (id, email, email_folded) values (gen_random_uuid(), ${email}, ${folded})`
  await t.rejects(insert('Ada@sql.example', 'another@sql.example'), { message: /users_email_folded_ascii/ })
  await insert('Ada@sql.example', 'ada@sql.example')
  await t.rejects(insert('ADA@sql.example', 'ada@sql.example'), { message: /users_email_key/ })
})

t.test('knows an email', async (t) => {
  for (const good of [
    'a@example.com',
    "o'neil+x@a-b.example",
    'Ä@example.com',
    '漢@例え.jp',
    'é@b\u00FCcher.example',
  ])
    t.ok(isEmail(good), good)
  for (const bad of [
    'nobody',
    '@example.com',
    'a@',
    'a@localhost',
    'a b@example.com',
    'a\u00A0b@example.com',
    'a\u200Bb@example.com',
    'a\u0000@example.com',
    'a@b@example.com',
    '.a@example.com',
    'a..b@example.com',
    'a@-example.com',
    'a@exa mple.com',
    'a@exämple.com/path',
    'a@exämple.com:80',
    'a@é',
    'a\ud800@example.com',
  ])
    t.notOk(isEmail(bad), bad)
  for (const email of ['aé@example.com', 'long'.repeat(40_000)])
    problem(t, await register(`${email} `), 400, 'invalid_request')
  t.equal(foldEmail('Ada.Lovelace+Todo@Example.COM'), 'ada.lovelace+todo@example.com')
})
