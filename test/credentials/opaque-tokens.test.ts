import { randomUUID } from 'node:crypto'
import t from 'tap'
import {
  createSecret,
  createSessionSecret,
  deriveSuccessor,
  looksLike,
  parseToken,
  writeToken,
} from '../../src/credentials/opaque-tokens.ts'

const user = randomUUID()

t.test('writes tokens with a prefix that names their kind', async (t) => {
  t.match(writeToken('access', user, createSecret()), /^todo_pat_[\w-]{70}$/)
  t.match(writeToken('refresh', user, createSecret(), createSessionSecret()), /^todo_rt_[\w-]{91}$/)
  t.ok(looksLike('access', 'todo_pat_'))
  t.not(writeToken('access', user, createSecret()), writeToken('access', user, createSecret()))
})

t.test('reads back what a token holds', async (t) => {
  const [secret, session_secret] = [createSecret(), createSessionSecret()]
  t.same(parseToken('access', writeToken('access', user, secret)), {
    user_id: user,
    session_secret: Buffer.alloc(0),
    secret,
  })
  const refresh = writeToken('refresh', user, secret, session_secret)
  t.same(parseToken('refresh', refresh), { user_id: user, session_secret, secret })
})

t.test('rejects a mistyped token, whichever character is wrong', async (t) => {
  for (const kind of ['access', 'refresh'] as const) {
    const token = writeToken(
      kind,
      user,
      createSecret(),
      kind === 'refresh' ? createSessionSecret() : undefined,
    )
    for (let n = 0; n < token.length; n++) {
      const wrong = token[n] === 'x' ? 'y' : 'x'
      t.equal(parseToken(kind, token.slice(0, n) + wrong + token.slice(n + 1)), undefined)
    }
    const others = ['', 'todo_pat_', 'todo_rt_', token.slice(0, -1), `${token}A`, `${token} `, `${token}=`]
    for (const other of [...others, 'todo_pat_%00']) t.equal(parseToken(kind, other), undefined, other)
  }
  const token = writeToken('access', user, createSecret())
  t.equal(parseToken('refresh', token), undefined, 'a token of another kind')
  t.equal(
    parseToken('refresh', token.replace('todo_pat_', 'todo_rt_')),
    undefined,
    'even with the right prefix',
  )
  t.equal(parseToken('access', writeToken('access', user, createSecret(), createSessionSecret())), undefined)
})

t.test('derives the same successor from the same secret and seed, and another from others', async (t) => {
  const [secret, seed] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
  t.same(deriveSuccessor(secret, seed), deriveSuccessor(secret, seed))
  t.equal(deriveSuccessor(secret, seed).length, 32)
  t.notSame(deriveSuccessor(secret, seed), deriveSuccessor(secret, secret))
  t.notSame(deriveSuccessor(secret, seed), deriveSuccessor(seed, seed))
})
