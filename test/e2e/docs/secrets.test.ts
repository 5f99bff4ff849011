import postgres from 'postgres'
import t from 'tap'
import { askWith, createApp, logIn, problem, signUp } from '../../support/app.ts'
import { cloneDatabase } from '../../support/clone-database.ts'
import { readBlocks } from '../../support/markdown.ts'

// Runs the SQL of docs/secrets.md, in its order, with roles and users of this test.

const database = await cloneDatabase(t)
const { admin, ownerUrl } = database
const [{ name } = {}] = await admin<
  { name: string }[]
>`select 'own_' || substr(current_database(), 6) as name`
const roles = [`${name}_login`, `${name}_login_2`] as const
t.teardown(async () => {
  for (const role of roles) await admin.unsafe(`drop role if exists ${role}`)
})
await admin.unsafe(`create role ${roles[0]} login password 'first' in role todo_api`)
const urlOf = (username: string, password: string) =>
  Object.assign(new URL(database.url), { username, password }).href

const blocks = readBlocks('docs/secrets.md').map(({ text }) => text.replaceAll('todo_login', roles[0]))
/** Runs the block that contains some words. */
const run = async (words: string, change = (sql: string) => sql, sql = admin) => {
  const found = blocks.filter((text) => text.includes(words))
  t.equal(found.length, 1, words)
  let result: postgres.RowList<postgres.Row[]> | undefined
  for (const statement of change(`${found[0]}`).split(';\n').filter(Boolean))
    result = await sql.unsafe(statement)
  return result
}

t.test('JWT_SECRET is replaced in three steps without logging anyone out', async (t) => {
  const [before, after] = ['b'.repeat(32), 'a'.repeat(32)]
  const steps = [
    { JWT_SECRET: before },
    { JWT_SECRET: before, JWT_SECRET_PREVIOUS: after },
    { JWT_SECRET: after, JWT_SECRET_PREVIOUS: before },
    { JWT_SECRET: after },
  ]
  const apps = await Promise.all(steps.map((env) => createApp(t, database, env)))
  const users = await Promise.all(apps.map((app) => signUp(app)))
  // During a restart, replicas of two neighbouring steps serve the same clients.
  for (const [index, { token }] of users.entries())
    for (const app of apps.slice(Math.max(0, index - 1), index + 2))
      t.equal((await askWith(app, token)('GET', '/todos')).statusCode, 200)
  const [app, user] = [apps.at(-1), users[0]]
  if (!app || !user) throw new Error('There is no app or user')
  problem(t, await askWith(app, user.token)('GET', '/todos'), 401, 'invalid_token')
  const refresh = {
    method: 'POST',
    url: '/refresh',
    payload: { refresh_token: user.refreshToken },
  } as const
  t.equal((await app.inject(refresh)).statusCode, 200, 'a refresh token survives')
})

t.test('the password of the API’s role is replaced by a second role', async (t) => {
  const old = await createApp(t, { url: urlOf(roles[0], 'first') })
  const user = await signUp(old)
  await run('create role', (sql) => sql.replace('…', 'second'))
  const app = await createApp(t, { url: urlOf(roles[1], 'second') })
  t.equal((await app.inject('/ready')).statusCode, 200)
  await old.close()
  await run('drop role')
  t.equal((await askWith(app, user.token)('GET', '/todos')).statusCode, 200)
  await admin.unsafe(`create role ${roles[0]} login password 'first' in role todo_api`)
})

t.test('the keys of the seal are replaced while requests run', async (t) => {
  const app = await createApp(t, database)
  const user = await signUp(app)
  const owner = postgres(ownerUrl, { max: 1 })
  t.teardown(() => owner.end())
  const keys = () => admin`select id from identity.secret_keys where purpose = 'context' order by id`
  const before = await keys()
  await run('rotate_context_key', undefined, owner)
  t.equal((await keys()).length, before.length + 1)
  t.equal((await user.ask('GET', '/todos')).statusCode, 200)
  await admin`update identity.secret_keys set created_at = created_at - interval '6 minutes'`
  await run('rotate_context_key', undefined, owner)
  const after = (await keys()).map(({ id }) => id)
  for (const { id } of before) t.notOk(after.includes(id), 'the second call removes the old key')
})

t.test('a user’s sessions and tokens are ended by the superuser', async (t) => {
  const app = await createApp(t, database)
  const [ada, bob] = [await signUp(app), await signUp(app)]
  const pat = (await ada.ask('POST', '/tokens', { name: 'x', scopes: ['todos:read'] })).json()
  await run("'ada@example.com'", (sql) => sql.replaceAll('ada@example.com', ada.email))
  for (const token of [ada.token, pat.token])
    problem(t, await askWith(app, token)('GET', '/todos'), 401, 'revoked_token')
  t.equal((await bob.ask('GET', '/todos')).statusCode, 200)
  t.equal((await (await logIn(app, ada.email)).ask('GET', '/todos')).statusCode, 200)
})

t.test('whoever has the password of the API’s role is shut out', async (t) => {
  const thief = postgres(urlOf(roles[0], 'first'), { max: 1, onclose: () => {} })
  t.teardown(() => thief.end({ timeout: 1 }))
  await thief.unsafe(`alter role ${roles[0]} set search_path = nowhere`)
  await run('pg_terminate_backend', (sql) => sql.replace('…', 'third'))
  await t.rejects(thief`select 1`)
  const app = await createApp(t, { url: urlOf(roles[0], 'third') })
  t.equal((await app.inject('/ready')).statusCode, 200, 'its settings are undone')
  await signUp(app)
  await app.inject({ method: 'POST', url: '/login', payload: { email: 'x@example.com', password: 'wrong' } })
  t.ok(Number((await run('from identity.events'))?.[0]?.count) > 0)
})

t.test('everybody is logged out after a break-in', async (t) => {
  const app = await createApp(t, database)
  const user = await signUp(app)
  await run('delete from identity.sessions;')
  problem(t, await user.ask('GET', '/todos'), 401, 'revoked_token')
})
