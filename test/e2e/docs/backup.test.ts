import { execFile } from 'node:child_process'
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import postgres from 'postgres'
import t, { type Test } from 'tap'
import { audit } from '../../../db/audit/audit.ts'
import { accountFor } from '../../../db/embedded/place.ts'
import { migrate, provision } from '../../../db/embedded/start.ts'
import { isolationChecks, openWorld } from '../../policies/http.ts'
import { createApp, logIn, problem, signUp } from '../../support/app.ts'
import { findProgram, freePort, needs } from '../../support/external-programs.ts'
import { readBlocks } from '../../support/markdown.ts'

// Runs the commands of docs/operations.md that save a database, and those that bring it back on another server.

const run = promisify(execFile)
const [save = '', restore = ''] = readBlocks('docs/operations.md')
  .filter(({ text }) => /^pg_dump|^pg_restore/m.test(text))
  .map(({ text }) => text)
const programs = ['initdb', 'pg_ctl', 'pg_dump', 'pg_dumpall', 'pg_restore', 'psql']
const password = 'of-this-test'

/** A server of PostgreSQL on a new cluster, and how to run commands there as its superuser. */
async function startServer(t: Test) {
  const account = await accountFor(process.getuid?.())
  const folder = mkdtempSync(join(tmpdir(), 'backup-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'password'), password)
  if (account.uid !== undefined)
    for (const path of [folder, join(folder, 'password')]) chownSync(path, account.uid, Number(account.gid))
  const access = ['--username=postgres', '--auth=scram-sha-256', `--pwfile=${folder}/password`]
  const locale = ['--encoding=UTF8', '--locale=C.UTF-8', '--no-sync']
  const program = (name: string, ...args: string[]) =>
    run(`${findProgram(name)}`, [`--pgdata=${folder}/data`, ...args], { ...account, cwd: folder })
  await program('initdb', ...access, ...locale)
  const port = await freePort()
  const flags = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off`
  await program('pg_ctl', 'start', '--wait', `--options=${flags}`, `--log=${folder}/log`)
  t.teardown(() => program('pg_ctl', 'stop', '--mode=immediate'))
  const url = (role: string, database: string) =>
    `postgres://${role}:${password}@127.0.0.1:${port}/${database}?sslmode=disable`
  const env = {
    ...process.env,
    PATH: `${dirname(`${findProgram('initdb')}`)}:${process.env.PATH}`,
    PGHOST: '127.0.0.1',
    PGPORT: String(port),
    PGUSER: 'postgres',
    PGPASSWORD: password,
  }
  return {
    superuserUrl: url('postgres', 'postgres'),
    migrationUrl: url('todo_owner', 'todo'),
    databaseUrl: url('todo_login', 'todo'),
    shell: (commands: string, cwd: string) => run('sh', ['-ec', commands], { env, cwd }),
    look: () => look(url('postgres', 'todo')),
  }
}

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
  const old = await startServer(t)
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
  const was = await old.look()
  t.notMatch((await old.shell('cat roles.sql', folder)).stdout, /SCRAM|PASSWORD/, 'holds no password')

  const fresh = await startServer(t)
  const { stderr } = await fresh.shell(restore.replaceAll('…', password), folder)
  t.same(stderr.match(/ERROR: .*/g), ['ERROR:  role "postgres" already exists'])
  const is = await fresh.look()
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
  const server = await startServer(t)
  await provision(server)
  await t.rejects(server.shell(save.replaceAll(/^(pg_dump) /gm, '$1 --username=todo_owner '), t.testdir()), {
    message: /query would be affected by row-level security policy/,
  })
})
