import t from 'tap'
import { isRunning, start } from './process.ts'

// Each makes a database first, which takes a while: two at once.
t.jobs = 2
const atOnce = { buffered: true }

t.test('tells the whole story, plain where there is no terminal, and leaves nothing', atOnce, async (t) => {
  const { said, ended, until, findDatabase, left } = start(t)
  await until('1. ')
  const database = findDatabase()
  t.ok(isRunning(database))
  t.equal(await ended, 0, said.err)
  t.equal(said.err, '')
  t.notMatch(said.out, '\x1b')
  t.notMatch(said.out, /eyJ[\w-]+\.eyJ/, 'shows no token whole')
  for (const line of [
    `$ curl -i $API/register --json '{"email":"ada@example.com","password":"correct horse battery"}'`,
    '$ curl -i -X PATCH $API/todos/$HERS -H "authorization: Bearer $BOB" --json \'{"title":"Mine"}\'',
    '{ "data": [ { "title": "Buy a present for Ada", … } ], … }',
    '✓ Her todo and one that does not exist: the same response, byte for byte, except for the ids',
    '401 401 401 401 401\n',
    'HTTP/1.1 429 Too Many Requests\n  Retry-After: ',
    '"code": "revoked_token", … }',
    ' todos_select_own | SELECT | (user_id = app.user_id())\n',
    'todo=> select title from todos;\n   title\n  -------\n  (0 rows)\n',
    'todo=> select inner_block from identity.secret_keys;\n  ERROR:  permission denied for table secret_keys\n',
    'todo=> set role postgres;\n  ERROR:  permission denied to set role "postgres"\n',
  ])
    t.match(said.out, line)
  t.match(said.out, /^Every response was as expected\..*\n$/m)
  t.same(left(), [])
  t.notOk(isRunning(database))
})

t.test('ends with exit code 1 when an answer is not what it says', atOnce, async (t) => {
  const { said, ended, left } = start(t, { RATE_LIMIT_LOGIN_ACCOUNT: '0' })
  t.equal(await ended, 1)
  t.match(said.err, /^✗ Not so: the status\n {2}expected 429\n {2}got {6}401\n$/)
  t.notMatch(said.out, '7. ', 'and says no more')
  t.same(left(), [])
})
