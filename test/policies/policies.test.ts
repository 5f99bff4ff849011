import postgres from 'postgres'
import t from 'tap'
import { cloneDatabase } from '../database.ts'
import { createApp, signUp } from '../helper.ts'

const database = await cloneDatabase(t)
const app = await createApp(t, database)
const [ada, bob] = [await signUp(app), await signUp(app)]
const todo = (await ada.ask('POST', '/todos', { title: "ada's" })).json().id as string
await bob.ask('POST', '/todos', { title: "bob's" })
/** As the API's login role, the way a person at psql would. */
const sql = postgres(database.url, { max: 1, onnotice: () => {} })
t.teardown(() => sql.end())

/** Runs one statement as a user with scopes, in a transaction that is rolled back; rows or SQLSTATE. */
async function as(user: string, scopes: string, statement: string): Promise<unknown> {
  const connection = await sql.reserve()
  try {
    await connection`begin`
    await connection`select set_config('app.user_id', ${user}, true), set_config('app.scopes', ${scopes}, true)`
    return (await connection.unsafe(statement)).count
  } catch (error) {
    return (error as postgres.PostgresError).code
  } finally {
    await connection`rollback`
    connection.release()
  }
}
const all = 'todos:read todos:write account'

t.test('shows and changes only the rows of the user, whatever the statement says', async (t) => {
  const statements = [
    'select * from todos',
    'select * from users',
    "update todos set title = 'x'",
    'delete from todos',
    `select * from todos where id = '${todo}'`,
    `update todos set title = 'x' where id = '${todo}'`,
    `delete from todos where id = '${todo}'`,
  ]
  for (const statement of statements) {
    const hers = await as(ada.id, all, statement)
    const his = await as(bob.id, all, statement)
    t.equal(hers, 1, `${statement}, as the owner`)
    t.equal(his, statement.includes(todo) ? 0 : 1, `${statement}, as another`)
    t.equal(await as('', all, statement), 0, `${statement}, as nobody`)
  }
})

t.test('refuses writes without the scope', async (t) => {
  const insert = "insert into todos (id, title) values (gen_random_uuid(), 'x')"
  t.equal(await as(ada.id, all, insert), 1)
  t.equal(await as(ada.id, 'todos:read', insert), '42501')
  t.equal(await as('', all, insert), '42501')
  for (const statement of ["update todos set title = 'x'", 'delete from todos'])
    t.equal(await as(ada.id, 'todos:read account', statement), 0, statement)
  t.equal(await as(ada.id, 'todos:read', 'select * from todos'), 1)
})

t.test('refuses what is not granted', async (t) => {
  const refused = [
    `insert into todos (id, title, user_id) values (gen_random_uuid(), 'x', '${bob.id}')`,
    `update todos set user_id = '${bob.id}'`,
    'update todos set id = gen_random_uuid()',
    'update todos set created_at = now()',
    'truncate todos',
    'create table public.mine (id int)',
    "insert into users (id, email) values (gen_random_uuid(), 'x@example.com')",
    "update users set email = 'x@example.com'",
    'select * from identity.credentials',
    'select * from identity.refresh_tokens',
    'select scopes from identity.sessions',
    'select hash from identity.access_tokens',
    "update identity.access_tokens set scopes = '{account}'",
    'update identity.sessions set expires_at = now()',
    'update identity.events set kind = kind',
    'delete from identity.events',
    'insert into identity.sessions default values',
    'select * from schema_migrations',
    'set role todo_auth',
    'alter table todos disable row level security',
    'drop policy todos_select_own on todos',
    'alter role todo_api bypassrls',
  ]
  for (const statement of refused) t.equal(await as(ada.id, all, statement), '42501', statement)
})

t.test('hands out no password hash, only its salt', async (t) => {
  const [row] = await sql`select app.password_salt(${ada.email}) as salt`
  t.match(row?.salt, /^\$2b\$04\$.{22}$/)
  t.equal((await sql`select app.password_salt('nobody@example.com') as salt`)[0]?.salt, null)
})

t.test('lets app.authenticate end what something left on the connection', async (t) => {
  const connection = await sql.reserve()
  await connection`select set_config('app.user_id', ${ada.id}, false)`
  await connection`begin`
  const [dead] = await connection`select scopes from app.authenticate(${ada.id}, ${bob.id}, null)`
  t.equal(dead?.scopes, null)
  t.equal((await connection`select * from todos`).length, 0)
  await connection`rollback`
  await connection`reset app.user_id`
  connection.release()
})

t.test('holds the law in the catalogue', async (t) => {
  const { admin } = database
  const tables = await admin`
    select n.nspname || '.' || c.relname as name, relrowsecurity as enabled, relforcerowsecurity as forced,
           obj_description(c.oid) as comment
    from pg_class c join pg_namespace n on n.oid = relnamespace
    where relkind in ('r', 'p') and nspname in ('public', 'identity')`
  t.equal(tables.length, 9)
  for (const table of tables) {
    t.ok(table.enabled && table.forced, `${table.name} has row-level security enabled and forced`)
    t.ok(table.comment, `${table.name} has a comment`)
  }
  const policies = await admin`
    select policyname as name, cmd, roles::text[] as roles, qual, with_check from pg_policies`
  for (const { name, cmd, roles, qual, with_check } of policies) {
    t.not(cmd, 'ALL', `${name} is for one command`)
    t.notOk(roles.includes('public'), `${name} names its role`)
    if (roles.includes('todo_api')) t.notOk([qual, with_check].includes('true'), `${name} says something`)
    t.notMatch(`${qual} ${with_check}`, /select/i, `${name} has no sub-select`)
  }
  const functions = await admin`
    select proname as name, prosecdef as definer, proconfig as config, pg_get_userbyid(proowner) as owner,
           has_function_privilege('public', p.oid, 'execute') as everybody, obj_description(p.oid) as comment
    from pg_proc p join pg_namespace n on n.oid = pronamespace where nspname = 'app'`
  for (const { name, definer, config, owner, everybody, comment } of functions) {
    t.notOk(everybody, `${name} is not for everybody`)
    t.ok(comment, `${name} has a comment`)
    if (definer) {
      t.same(config, ['search_path=""'], `${name} has a pinned search path`)
      t.equal(owner, 'todo_auth', `${name} belongs to todo_auth`)
    }
  }
  const roles = await admin`
    select rolname, rolsuper, rolbypassrls, rolcanlogin from pg_roles where rolname in ('todo_api', 'todo_auth')`
  for (const role of roles)
    t.match(
      role,
      { rolsuper: false, rolbypassrls: false, rolcanlogin: false },
      `${role.rolname} can do little`,
    )
})

t.test('finds a user by the index, with the policy in its condition', async (t) => {
  await database.admin`
    insert into todos (user_id, id, title, completed) select ${ada.id}, gen_random_uuid(), 'x', false from generate_series(1, 2000)`
  await database.admin`analyze todos`
  const connection = await sql.reserve()
  await connection`begin`
  await connection`select set_config('app.user_id', ${ada.id}, true)`
  const plan = await connection`explain (costs off) select id from todos order by id desc limit 20`
  await connection`rollback`
  connection.release()
  const text = plan.map((row) => row['QUERY PLAN']).join('\n')
  t.match(text, /Index (Only )?Scan Backward using todos_pkey/)
  t.match(text, /Index Cond: \(user_id = /)
  t.notMatch(text, /Sort|Seq Scan/)
})
