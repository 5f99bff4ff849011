import t from 'tap'
import { problem, setUp, signUp } from '../support/app.ts'

const { app } = await setUp(t)
const user = await signUp(app)

t.test('takes integers in plain decimal digits only', async (t) => {
  const limit = 'must be a whole number from 1 to 100'
  const wrong = [
    '0x10',
    '0b11',
    '0o7',
    '1e1',
    '1E1',
    '+5',
    '%205',
    '5%20',
    '5%0A',
    '05',
    '00',
    '5.0',
    '5.',
    '.5',
    '1_0',
    '٥',
    '５',
    'NaN',
    'Infinity',
    'null',
    'true',
    '',
    '--5',
    '-',
    '5n',
    '1,0',
  ]
  for (const text of wrong) {
    const answer = await user.ask('GET', `/todos?limit=${encodeURIComponent(decodeURIComponent(text))}`)
    problem(t, answer, 400, 'invalid_request')
    t.same(answer.json().errors, [{ parameter: 'limit', code: 'wrong_type', message: limit }], text)
  }
  for (const text of ['0', '-0', '-1', '101', '9'.repeat(400)])
    t.match((await user.ask('GET', `/todos?limit=${text}`)).json().errors, [
      { code: 'out_of_range', message: limit },
    ])
  for (const text of ['1', '5', '100'])
    t.equal((await user.ask('GET', `/todos?limit=${text}`)).json().limit, Number(text))
  for (const path of ['/tokens', '/me/sessions', '/me/events'])
    problem(t, await user.ask('GET', `${path}?offset=1e1`), 400, 'invalid_request')
})

t.test('takes booleans as true and false only', async (t) => {
  for (const text of ['1', '0', 'TRUE', 'True', 'yes', 'on', 'null', '', '%20true', 'false%20']) {
    const answer = await user.ask('GET', `/todos?completed=${text}`)
    problem(t, answer, 400, 'invalid_request')
    t.same(answer.json().errors, [
      { parameter: 'completed', code: 'wrong_type', message: 'must be true or false' },
    ])
    problem(t, await user.ask('DELETE', `/todos?all=${text}`), 400, 'invalid_request')
  }
  for (const text of ['true', 'false'])
    t.equal((await user.ask('GET', `/todos?completed=${text}`)).statusCode, 200)
  t.match((await user.ask('DELETE', '/todos?all=false')).json().errors, [
    { parameter: 'all', message: 'must be true' },
  ])
})

t.test('takes a parameter once', async (t) => {
  const message = 'must be given only once'
  for (const query of [
    'limit=1&limit=2',
    'limit=1&limit=1',
    'q=a&q=b',
    'completed=true&completed=true',
    'sort=title&sort=title',
    'cursor=a.b&cursor=a.b',
    'limit&limit',
  ]) {
    const answer = await user.ask('GET', `/todos?${query}`)
    problem(t, answer, 400, 'invalid_request')
    const [parameter] = query.split(/[=&]/)
    t.same(answer.json().errors, [{ parameter, code: 'repeated', message }], query)
  }
})

t.test('names parameters that it does not know, and those that it does', async (t) => {
  for (const name of ['x', '__proto__', 'constructor', 'limit[]', 'limit[0]', '%00', 'LIMIT']) {
    const answer = await user.ask('GET', `/me/events?${name}=1`)
    problem(t, answer, 400, 'invalid_request')
    t.match(
      answer.json().errors,
      [{ code: 'unknown_member', message: 'is not recognised; allowed: limit, offset' }],
      name,
    )
  }
  const many = Array.from({ length: 1500 }, (_, n) => `${n}=1`).join('&')
  t.equal((await user.ask('GET', `/todos?${many}`)).json().errors.length, 20)
  const several = (await user.ask('GET', '/todos?limit=0&sort=id&completed=no&x=1')).json().errors
  t.same(several.map(({ code }: { code: string }) => code).sort(), [
    'not_one_of',
    'out_of_range',
    'unknown_member',
    'wrong_type',
  ])
})
