import postgres from 'postgres'
import t from 'tap'
import { audit } from '../../../db/audit/audit.ts'
import { migrate, provision } from '../../../db/embedded/start.ts'
import { isolationChecks, openWorld } from '../../policies/http.ts'
import { createApp, logIn, problem, signUp } from '../../support/app.ts'
import { needs } from '../../support/external-programs.ts'
import { readBlocks } from '../../support/markdown.ts'
import { rolePassword, startOwnServer } from '../../support/own-server.ts'

// Runs the commands of docs/operations.md that save a database, and those that bring it back on another server.

const [save = '', restore = ''] = readBlocks('docs/operations.md')
  .filter(({ text }) => /^pg_dump|^pg_restore/m.test(text))
  .map(({ text }) => text)
const programs = ['initdb', 'pg_ctl', 'pg_dump', 'pg_dumpall', 'pg_restore', 'psql']

/** All rows, and who may do what with them. */
async function look(url: string) {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    const { tables, findings } = await audit(sql, { roles: ['todo_login'] })
    const rows: Record<string, unknown> = {}
    for (const { name } of tables)
      rows[name] = [...(await sql.unsafe(`select row::text from ${name} as row order by row::text`))]
    const policies = await sql`select * from pg_policies order by schemaname, tablename, policyname`
    const grants = await sql`
      select relnamespace::regnamespace::text as schema, relname, relowner::regrole::text, relacl::text from pg_class
      where relnamespace in ('public'::regnamespace, 'identity'::regnamespace) order by 1, 2`
    const columns = await sql`
      select attrelid::regclass::text as name, attname, attacl::text from pg_attribute where attacl is not null order by 1, 2`
    const functions = await sql`
      select pg_get_functiondef(oid), proowner::regrole::text, proacl::text from pg_proc
      where pronamespace = 'app'::regnamespace order by 1`
    const roles = await sql`
      select rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolbypassrls, rolconfig from pg_roles
      where rolname !~ '^pg_' order by 1`
    const members = await sql`
      select roleid::regrole::text as role, member::regrole::text as member, admin_option from pg_auth_members
      where roleid::regrole::text ~ '^todo_' order by 1, 2`
    return {
      findings,
      rows,
      tables,
      rights: [policies, grants, columns, functions, roles, members].map((all) => [...all]),
    }
  } finally {
    await sql.end()
  }
}

t.test('brings roles, policies and rows back on another server', needs(...programs), async (t) => {
  const old = await startOwnServer(t)
  await provision(old)
  const before = await createApp(t, { url: old.databaseUrl })
  const user = await signUp(before)
  const todo = { title: 'Wasser für 🌱', notes: 'two\nlines', tags: ['home'], due_at: '2026-12-24T17:00:00Z' }
  await user.ask('POST', '/todos', todo, { 'idempotency-key': 'key' })
  const pat = (await user.ask('POST', '/tokens', { name: 'x', scopes: ['todos:read'] })).json()
  const shown = (await user.ask('GET', '/todos')).json()
  const { next_token } = (await user.ask('GET', '/todos/changes')).json()
  await before.close()

  const folder = t.testdir()
  await old.shell(save, folder)
  const was = await look(old.adminUrl)
  t.notMatch((await old.shell('cat roles.sql', folder)).stdout, /SCRAM|PASSWORD/, 'holds no password')

  const fresh = await startOwnServer(t)
  const { stderr } = await fresh.shell(restore.replaceAll('…', rolePassword), folder)
  t.same(stderr.match(/ERROR: .*/g), ['ERROR:  role "postgres" already exists'])
  const is = await look(fresh.adminUrl)
  t.same(is.findings, [], 'the audit finds nothing')
  t.equal((is.rows['public.todos'] as object[]).length, 1)
  const { 'identity.secret_keys': keys, ...rows } = is.rows
  const { 'identity.secret_keys': oldKeys, ...oldRows } = was.rows
  t.same(rows, oldRows)
  const all = [keys, oldKeys].flatMap((list) => (list as { row: string }[]).map(({ row }) => row))
  t.equal(new Set(all).size, 4, 'a new key that seals, and one for salts; none was in the dump')
  t.same(is.tables, was.tables)
  for (const [index, rights] of is.rights.entries()) {
    t.ok(rights.length > 0)
    t.same(rights, was.rights[index])
  }
  await migrate(fresh.migrationUrl)

  const after = await createApp(t, { url: fresh.databaseUrl })
  t.equal((await after.inject('/ready')).statusCode, 200)
  const again = await logIn(after, user.email)
  t.same((await again.ask('GET', '/todos')).json(), shown)
  const replayed = await again.ask('POST', '/todos', todo, { 'idempotency-key': 'key' })
  t.equal(replayed.headers['idempotent-replayed'], 'true')
  for (const token of [user.token, pat.token])
    t.same(
      (await after.inject({ url: '/todos', headers: { authorization: `Bearer ${token}` } })).json(),
      shown,
      'whoever was logged in still is',
    )
  const expired = await again.ask('GET', `/todos/changes?since=${next_token}`)
  problem(t, expired, 410, 'sync_token_expired')
  t.equal((await again.ask('GET', '/todos/changes')).json().changes.length, 1)
  for (const check of Object.values(isolationChecks)) await check(await openWorld(after))
})

t.test('cannot be made by the owner, who sees no rows', needs(...programs), async (t) => {
  const server = await startOwnServer(t)
  await provision(server)
  await t.rejects(server.shell(save.replaceAll(/^(pg_dump) /gm, '$1 --username=todo_owner '), t.testdir()), {
    message: /query would be affected by row-level security policy/,
  })
})
