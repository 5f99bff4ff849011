import t from 'tap'
import { problem, setUp } from '../support/app.ts'

const url = '/.well-known/security.txt'

t.test('names the contact for vulnerabilities (RFC 9116)', async (t) => {
  const now = () => Date.UTC(2026, 10, 25)
  const { app } = await setUp(t, { SECURITY_CONTACT: 'mailto:security@example.com' }, { now })
  const answer = await app.inject({ url, headers: { accept: 'text/plain' } })
  t.equal(answer.statusCode, 200)
  t.equal(answer.headers['content-type'], 'text/plain; charset=utf-8')
  t.equal(
    answer.body,
    'Contact: mailto:security@example.com\nExpires: 2027-05-24T00:00:00.000Z\nPreferred-Languages: en\n',
  )
  problem(t, await app.inject({ method: 'POST', url }), 405, 'method_not_allowed')
})

t.test('returns 404 when no contact is configured', async (t) => {
  const { app } = await setUp(t)
  problem(t, await app.inject(url), 404, 'not_found')
})
