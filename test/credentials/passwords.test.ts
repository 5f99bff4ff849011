import { randomUUID } from 'node:crypto'
import { genSaltSync, getRounds } from 'bcryptjs'
import fc from 'fast-check'
import t from 'tap'
import { toBcryptInput } from '../../src/credentials/password-text.ts'
import { saltsOfWork } from '../../src/credentials/passwords.ts'
import { password, problem, setUp, signUp } from '../support/app.ts'

const { app } = await setUp(t)
const post = (url: string, payload: object) => app.inject({ method: 'POST', url, payload })
const newEmail = () => `${randomUUID()}@example.com`
const register = (secret: string, email = newEmail()) => post('/register', { email, password: secret })
const logIn = (email: string, secret: string) => post('/login', { email, password: secret })

/** Characters of one to four bytes, several of which are written in more than one way, and spaces of every kind. */
const characters = [...'ab Z9é\u0301\u0327ñÅ\u212B\u1E69가ß漢👩🏽\u00A0\u2009\u3000ﬁ\u{1F600}\u{2F800}']
const secrets = fc.string({ unit: fc.constantFrom(...characters), minLength: 10, maxLength: 128 })
const hasGoodLength = (text: string) => {
  const { length } = [...text.normalize('NFC')]
  return length >= 8 && length <= 128
}

t.test('accepts a password in any canonically equivalent spelling, and no other password', async (t) => {
  await fc.assert(
    fc.asyncProperty(secrets.filter(hasGoodLength), async (secret) => {
      const email = newEmail()
      t.equal((await register(secret.normalize('NFD'), email)).statusCode, 201)
      for (const same of [
        secret,
        secret.normalize('NFC'),
        secret.normalize('NFD'),
        secret.replace(/\p{Zs}/gu, '\u2003'),
      ])
        t.equal((await logIn(email, same)).statusCode, 200, JSON.stringify(same))
      for (const other of [`${secret}x`, ` ${secret}`, `${secret} `, [...secret].slice(0, -1).join('')])
        problem(t, await logIn(email, other), 401, 'invalid_credentials')
    }),
    { numRuns: 20 },
  )
})

t.test('accepts 8 to 128 characters, regardless of their number of bytes', async (t) => {
  for (const character of [
    'x',
    'é',
    'e\u0301',
    '漢',
    '👩',
    '\u1E69'.normalize('NFD'),
    '가'.normalize('NFD'),
  ]) {
    for (const length of [8, 72, 73, 128])
      t.equal((await register(character.repeat(length))).statusCode, 201, `${length} of ${character}`)
    for (const length of [7, 129, 600, 1001, 2000]) {
      const answer = await register(character.repeat(length))
      problem(t, answer, 400, 'invalid_request')
      t.match(answer.json().errors[0], { pointer: '/password' }, `${length} of ${character}`)
    }
  }
})

t.test('compares every character of a password of 128', async (t) => {
  const email = newEmail()
  const long = 'é'.repeat(128)
  t.equal((await register(long, email)).statusCode, 201)
  t.equal((await logIn(email, long)).statusCode, 200)
  for (const other of [
    `${'é'.repeat(127)}e`,
    `e${'é'.repeat(127)}`,
    'é'.repeat(127),
    'é'.repeat(36),
    toBcryptInput(long),
  ])
    problem(t, await logIn(email, other), 401, 'invalid_credentials')
})

t.test('refuses control characters, and keeps spaces and case', async (t) => {
  for (const control of ['\u0000', '\t', '\n', '\u001b', '\u007f', '\u0085', '\ud800'])
    problem(t, await register(`long enough${control}`), 400, 'invalid_request')
  const email = newEmail()
  t.equal((await register('  Two Spaces  ', email)).statusCode, 201)
  t.equal((await logIn(email, '  Two Spaces  ')).statusCode, 200)
  for (const other of ['Two Spaces', '  two spaces  '])
    problem(t, await logIn(email, other), 401, 'invalid_credentials')
})

t.test('rejects a login with an impossible password like any wrong password', async (t) => {
  const user = await signUp(app)
  for (const secret of [
    '',
    'short',
    'x'.repeat(129),
    'x'.repeat(100_000),
    'nul \0 within',
    'half \ud800 of one',
    '\u0001long:',
  ])
    for (const email of [user.email, newEmail()])
      problem(t, await logIn(email, secret), 401, 'invalid_credentials')
  const wrong = await user.ask('PATCH', '/me', { current_password: 'x'.repeat(129) })
  problem(t, wrong, 401, 'invalid_credentials')
})

t.test('computes a hash for an impossible password too', async (t) => {
  const salt = genSaltSync(4)
  const hash = await app.passwords.hashToCompare('x'.repeat(129), salt)
  t.equal(hash, await app.passwords.hashToCompare('', salt))
  t.equal(getRounds(await app.passwords.hashToCompare('x'.repeat(129), null)), 4)
})

t.test('refuses common passwords in any case and any spelling of their spaces', async (t) => {
  for (const common of ['password', 'PASSWORD', 'Password1', 'QwertyUiop', 'iloveyou']) {
    const answer = await register(common)
    problem(t, answer, 400, 'invalid_request')
    t.match(answer.json().errors, [{ pointer: '/password', code: 'common_password' }], common)
  }
})

t.test('refuses a password that contains the part of the email before the @', async (t) => {
  const refused: [email: string, secret: string][] = [
    ['grace.hopper@example.com', 'grace.hopper'],
    ['grace.hopper@example.com', 'my GRACE.Hopper 1906'],
    ['GRACE@example.com', 'amazing grace'],
    ['abcd@example.com', 'xxabcdxx'],
  ]
  for (const [email, secret] of refused) {
    const answer = await register(secret, email)
    problem(t, answer, 400, 'invalid_request')
    t.match(answer.json().errors, [{ pointer: '/password', code: 'contains_email' }], secret)
  }
  t.equal(
    (await register('bob is a bobcat', 'bob@example.com')).statusCode,
    201,
    'unless it is shorter than 4',
  )
})

t.test("refuses a password with little beside the service's name", async (t) => {
  for (const secret of ['todo-api', 'TodoApi2026!', 'todotodotodo', 'my todo api']) {
    const answer = await register(secret)
    problem(t, answer, 400, 'invalid_request')
    t.match(answer.json().errors, [{ pointer: '/password', code: 'contains_service_name' }], secret)
  }
  t.equal((await register('todo va a salir bien')).statusCode, 201, 'unless enough is left')
})

t.test('compares a new password with the new email, or with the current one', async (t) => {
  const local = `ada${randomUUID().slice(0, 8)}`
  const email = `${local}@example.com`
  t.equal((await register(password, email)).statusCode, 201)
  const { access_token } = (await logIn(email, password)).json()
  const change = (payload: object) =>
    app.inject({
      method: 'PATCH',
      url: '/me',
      headers: { authorization: `Bearer ${access_token}` },
      payload: { current_password: password, ...payload },
    })
  for (const payload of [
    { new_password: `my ${local.toUpperCase()}` },
    { new_password: 'the lovelace engine', email: 'lovelace@example.com' },
  ]) {
    const answer = await change(payload)
    problem(t, answer, 400, 'invalid_request')
    t.match(answer.json().errors, [{ pointer: '/new_password', code: 'contains_email' }])
  }
  t.equal((await change({ new_password: 'the lovelace engine' })).statusCode, 200)
})

t.test('does as much work for a stored hash of a lower cost as for one of the configured cost', async (t) => {
  for (const stored of [4, 5, 8, 12]) {
    const work = saltsOfWork(genSaltSync(stored), 12).reduce((sum, salt) => sum + 2 ** getRounds(salt), 0)
    t.equal(work, 2 ** 12, `cost ${stored}`)
  }
})
