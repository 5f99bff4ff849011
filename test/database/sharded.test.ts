import t from 'tap'
import { createApp, setUp, signUp } from '../support/app.ts'
import { startProxy } from '../support/tcp-proxy.ts'

// The statements of every route on the tables that Citus shards, as they are sent.

const { database } = await setUp(t)

/** What is sent of a table that is sharded, while every route that uses one is asked. */
async function listen(DATABASE_SHARDED: string) {
  const proxy = await startProxy(t, database.url)
  const app = await createApp(t, proxy, { DATABASE_SHARDED, DATABASE_PREPARE: 'false' })
  const { id: user, ask } = await signUp(app)
  proxy.sent = ''
  const { id } = (await ask('POST', '/todos', { title: 'milk' }, { 'idempotency-key': 'key' })).json()
  const operations = [
    { op: 'update', id, todo: { title: 'bread' } },
    { op: 'create', todo: { title: 'jam' } },
  ]
  for (const [method, url, body, headers] of [
    ['POST', '/todos', { title: 'milk' }, { 'idempotency-key': 'key' }],
    ['GET', '/todos'],
    ['GET', '/todos?q=bread&completed=false&sort=title&count=exact'],
    ['GET', `/todos/${id}`],
    ['PATCH', `/todos/${id}`, { title: 'butter' }],
    ['PATCH', `/todos/${id}`, { title: 'butter' }, { 'if-match': '"999"' }],
    ['PATCH', `/todos/${id}`, { title: 'cream' }, { 'idempotency-key': 'patch' }],
    ['POST', '/todos/batch', { operations }, { 'idempotency-key': 'many' }],
    ['GET', '/me/export'],
    ['DELETE', `/todos/${id}`],
    ['DELETE', '/todos?all=true'],
  ] as const)
    t.match(await ask(method, url, body, headers), {
      statusCode: headers && 'if-match' in headers ? 412 : /^20/,
    })
  const statements = proxy.sent
    .split('\0')
    .filter((text) => /^\s*(select|insert|update|delete|with)\b/.test(text))
  const statementsOnShards = statements.filter((text) =>
    /\b(from|join|into|update) (todos|idempotency_keys)\b/.test(text),
  )
  return { user, sent: proxy.sent, statements: [...new Set(statementsOnShards)] }
}

t.test('each names its shard when the database is sharded', async (t) => {
  const { user, sent, statements } = await listen('true')
  t.ok(statements.length > 10, `${statements.length} statements`)
  for (const text of statements) {
    const asked = text.match(/\b(from|join|update) (todos|idempotency_keys)\b/g) ?? []
    const routed = text.match(/\b(where|on) user_id = \$\d+ (and|limit) /g) ?? []
    t.equal(routed.length, asked.length, text)
    t.notMatch(text, /\bas \(\s*(insert|update)\b/, 'no such write within WITH, which Citus does not run')
    // The value of an INSERT is its default, which Citus evaluates before it chooses the shard.
    if (asked.length === 0) t.match(text, /^\s*insert into \w+( as kept)? \([^)]*\)\s+values \(/, text)
  }
  t.ok(sent.includes(user))
})

t.test('none does when it is not', async (t) => {
  const { statements } = await listen('false')
  t.ok(statements.length > 10, `${statements.length} statements`)
  for (const text of statements) t.notMatch(text, /user_id =/)
})
