import { createHash, randomUUID } from 'node:crypto'
import t from 'tap'
import { createSecret, deriveSuccessor, parseSecret } from '../src/credentials/opaque-tokens.ts'

const user = randomUUID()

t.test('makes tokens with a prefix that tells what they are', async (t) => {
  t.match(createSecret('access').tokenFor(user), /^todo_pat_[\w-]{70}$/)
  t.match(createSecret('refresh').tokenFor(user), /^todo_rt_[\w-]{70}$/)
  t.not(createSecret('access').tokenFor(user), createSecret('access').tokenFor(user))
})

t.test('takes a token apart into its user, its secret and the hash of that', async (t) => {
  const made = createSecret('access')
  const parsed = parseSecret('access', made.tokenFor(user))
  t.equal(parsed?.user_id, user)
  t.same(parsed?.hash, made.hash)
  t.same(
    parsed?.hash,
    createHash('sha256')
      .update(parsed?.secret ?? '')
      .digest(),
  )
})

t.test('tells a mistyped token, whichever character it is', async (t) => {
  const token = createSecret('access').tokenFor(user)
  for (let n = 0; n < token.length; n++) {
    const wrong = token[n] === 'x' ? 'y' : 'x'
    t.equal(parseSecret('access', token.slice(0, n) + wrong + token.slice(n + 1)), undefined)
  }
  const others = ['', 'todo_pat_', token.slice(0, -1), `${token}A`, `${token} `, `${token}=`, 'todo_pat_%00']
  for (const other of others) t.equal(parseSecret('access', other), undefined, other)
  t.equal(parseSecret('refresh', token), undefined, 'one of another kind')
  t.equal(parseSecret('refresh', token.replace('todo_pat_', 'todo_rt_')), undefined, 'nor with its prefix')
})

t.test('derives the same successor from the same secret and seed, and another from others', async (t) => {
  const [secret, seed] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
  t.same(deriveSuccessor(secret, seed), deriveSuccessor(secret, seed))
  t.equal(deriveSuccessor(secret, seed).length, 32)
  t.notSame(deriveSuccessor(secret, seed), deriveSuccessor(secret, secret))
  t.notSame(deriveSuccessor(secret, seed), deriveSuccessor(seed, seed))
})
