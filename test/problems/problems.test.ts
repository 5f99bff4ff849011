import t from 'tap'
import { ApiError, problemCodes } from '../../src/http/errors.ts'
import { faultCodes } from '../../src/http/fault-codes.ts'
import { createApp, problem, setUp, signUp } from '../support/app.ts'

const { app, database } = await setUp(t)
const HTML = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'

t.test('explains each problem, to a program and to a browser', async (t) => {
  t.ok(problemCodes.length > 20)
  for (const code of problemCodes) {
    const { statusCode: status, message: title } = new ApiError(code)
    const answer = await app.inject(`/problems/${code}`)
    t.match(answer.headers, { 'content-type': /^application\/json/, vary: /Accept/ })
    t.match(answer.json(), { type: `/problems/${code}`, code, status, title })
    const { description, causes, remedy } = answer.json()
    for (const text of [description, remedy, ...causes])
      t.match(text, /^[A-Z`].{15,}[.]$/, `${code}: ${text}`)
    t.ok(causes.length > 0, code)

    const page = await app.inject({ url: `/problems/${code}`, headers: { accept: HTML } })
    t.match(page.headers['content-type'], /^text\/html/)
    t.match(page.headers['content-security-policy'], /^default-src 'none'; style-src 'self'/)
    for (const text of [title, String(status), code, 'Common causes', 'What to do', `/problems/${code}`])
      t.match(page.body, text)
  }
})

t.test('lists all problems, and leads to each', async (t) => {
  const { data } = (await app.inject('/problems')).json()
  t.same(
    data.map(({ code }: { code: string }) => code),
    problemCodes,
  )
  const page = await app.inject({ url: '/problems', headers: { accept: HTML } })
  for (const code of problemCodes) t.match(page.body, `href="/problems/${code}"`)
})

t.test('explains the codes of a validation fault where invalid_request is explained', async (t) => {
  const { fault_codes } = (await app.inject('/problems/invalid_request')).json()
  t.same(
    Object.fromEntries(
      fault_codes.map((fault: { code: string; description: string }) => Object.values(fault)),
    ),
    faultCodes,
  )
  const page = await app.inject({ url: '/problems/invalid_request', headers: { accept: HTML } })
  for (const code of Object.keys(faultCodes)) t.match(page.body, `<code>${code}</code>`)
  t.notMatch((await app.inject('/problems/not_found')).json(), { fault_codes: [] })
})

t.test('knows no other problems', async (t) => {
  for (const accept of [HTML, '*/*'])
    for (const code of ['unknown', 'toString', '__proto__'])
      problem(t, await app.inject({ url: `/problems/${code}`, headers: { accept } }), 404, 'not_found')
  problem(t, await app.inject('/problems/a%20b'), 400, 'invalid_request')
})

t.test('is where the type of a problem document leads, also behind a prefix', async (t) => {
  const behind = await createApp(t, database, { BASE_PATH: '/api' })
  for (const [service, base] of [
    [app, ''],
    [behind, '/api'],
  ] as const)
    for (const url of ['/nothing', '/todos', '/todos?limit=0', '/%zz']) {
      const { type, code } = (await service.inject(url)).json()
      t.equal(type, `${base}/problems/${code}`)
      t.equal((await service.inject(type.slice(base.length))).json().type, type)
    }
  const page = await behind.inject({ url: '/problems', headers: { accept: HTML } })
  for (const [, path] of page.body.matchAll(/(?:href|src)="(\/[^"]*)"/g)) t.match(path, /^\/api\//)
})

t.test('names the scope that is missing, for each kind of token', async (t) => {
  const user = await signUp(app)
  const created = await user.ask('POST', '/tokens', { name: 'a', scopes: ['todos:read'] })
  const headers = { authorization: `Bearer ${created.json().token}` }
  const write = await app.inject({ method: 'POST', url: '/todos', headers, payload: { title: 'a' } })
  problem(t, write, 403, 'insufficient_scope')
  t.match(write.json().detail, 'todos:write')
  const account = await app.inject({ url: '/me', headers })
  problem(t, account, 403, 'insufficient_scope')
  t.match(account.json().detail, 'account')
})

t.test('names the rate limit that was exceeded', async (t) => {
  const limited = await createApp(t, database, { RATE_LIMIT_API: '1' })
  await limited.inject('/')
  const answer = await limited.inject('/')
  problem(t, answer, 429, 'rate_limited')
  t.match(answer.json().detail, /"api" allows 1 requests? in 60 seconds/)
})
