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

const { app, database } = await setUp(t)

t.test('returns 404 when no contact is configured', async (t) => {
  problem(t, await app.inject(url), 404, 'not_found')
})

t.test('has no account before someone registers', async (t) => {
  t.same([...(await database.admin`select * from users`)], [])
})

t.test('serves files of the explorer only, and lists no folder', async (t) => {
  t.equal((await app.inject('/docs/static/theme/mark.svg')).statusCode, 200)
  for (const path of [
    ...['/.git/config', '/.env', '/package.json', '/src/app.ts', '/docs/static/.env', '/docs/static/theme/'],
    ...['/docs/static/../package.json', '/docs/static/%2e%2e/package.json', '/docs/static/..%2fpackage.json'],
    ...['/docs/static/..%5cpackage.json', '/docs/guide/..%2f..%2fpackage', '/docs/guide/%2fetc%2fpasswd'],
  ]) {
    const { statusCode, body } = await app.inject(path)
    t.ok([400, 404].includes(statusCode), `${path}: ${statusCode}`)
    t.notMatch(body, /todo-api"|root:/, path)
  }
})
