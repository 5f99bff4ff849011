import postgres from 'postgres'
import t, { type Test } from 'tap'
import { cloneDatabase } from '../support/clone-database.ts'
import { ids, insertRows } from './fixture.ts'
import { tryRights } from './rights.ts'
import { type Cell, grantEverything, readLines, tryFunctions, tryTable } from './table.ts'

const database = await cloneDatabase(t)
const { admin } = database
await insertRows(admin)

const holds = async (t: Test, cells: AsyncGenerator<Cell>, atLeast: number) => {
  let tried = 0
  for await (const { name, expected, actual } of cells) {
    tried++
    if (actual !== expected) t.equal(actual, expected, name)
  }
  t.ok(tried >= atLeast, `${tried} tried`)
}
t.test('gives each role the rights that it should have, and no other', (t) =>
  holds(t, tryRights(database), 70),
)
t.test('lets each function do what it is for, and no more', (t) => holds(t, tryFunctions(database), 60))
t.test('lets each actor find and change the rows that it should, and no other', (t) =>
  holds(t, tryTable(database, 'granted'), 700),
)
t.test('does so by the policies alone', async (t) => {
  await grantEverything(database)
  await holds(t, tryTable(database, 'alone'), 700)
})

t.test('has a line for every table and command, and a success for every policy', async (t) => {
  const tables = await admin<{ name: string }[]>`
    select case n.nspname when 'public' then '' else n.nspname || '.' end || c.relname as name
    from pg_class c join pg_namespace n on n.oid = relnamespace
    where relkind in ('r', 'p') and nspname <> 'information_schema' and nspname !~ '^pg_'`
  const lines = await readLines(admin)
  for (const { name } of tables)
    for (const command of ['select', 'insert', 'update', 'delete']) {
      const tried = lines.filter((line) => line.table === name && line.command === command)
      t.ok(tried.length > 0, `${command} of ${name} is tried`)
      const [row] = await admin`
        select count(*)::integer as policies from pg_policies
        where tablename = ${name.replace(/.*\./, '')} and cmd = ${command.toUpperCase()}`
      const succeeds = tried.some(({ granted }) => granted.some((cell) => ['1', '23505'].includes(cell)))
      t.equal(succeeds, row?.policies > 0, `${command} of ${name} succeeds for somebody`)
    }
})

t.test('tries every function that runs as its definer', async (t) => {
  const names: string[] = []
  for await (const { name } of tryFunctions(database)) names.push(name)
  const definers =
    await admin`select proname from pg_proc where prosecdef and pronamespace = 'app'::regnamespace`
  for (const { proname } of definers)
    t.ok(
      names.some((name) => name.includes(`app.${proname}(`)),
      proname,
    )
})

t.test('refuses to let the API out of its role', async (t) => {
  const sql = postgres(database.url, { max: 1, onnotice: () => {} })
  t.teardown(() => sql.end())
  for (const statement of [
    'create table public.mine (id int)',
    'set role todo_auth',
    'alter table todos disable row level security',
    'drop policy todos_select_own on todos',
    'alter role todo_api bypassrls',
    'truncate todos',
  ])
    await t.rejects(sql.unsafe(statement), { code: '42501' }, statement)
})

t.test('comments on every table, policy and function', async (t) => {
  const bare = await admin`
    select oid::regclass::text as name from pg_class
    where relkind = 'r' and relnamespace in ('public'::regnamespace, 'identity'::regnamespace) and obj_description(oid, 'pg_class') is null
    union all select polname from pg_policy where obj_description(oid, 'pg_policy') is null
      and polrelid <> 'schema_migrations'::regclass
    union all select proname from pg_proc where pronamespace = 'app'::regnamespace and obj_description(oid, 'pg_proc') is null`
  t.same([...bare], [])
})

t.test('finds a user by the index, with the policy in its condition', async (t) => {
  await admin`
    insert into todos (user_id, id, title, folded_title) select ${ids.ada}, gen_random_uuid(), 'x', 'x' from generate_series(1, 2000)`
  await admin`analyze todos`
  const explain = (statement: string) =>
    admin.begin(async (sql) => {
      await sql`select set_config('app.context', identity.sealed_context(${ids.ada}, ${ids.used}, now(), '{todos:write}'), true)`
      await sql`set local role todo_api`
      const plan = await sql.unsafe(`explain (costs off) ${statement}`)
      return plan.map((row) => row['QUERY PLAN']).join('\n')
    })
  const list = await explain('select id from todos order by id desc limit 20')
  t.match(list, /Index (Only )?Scan Backward using todos_pkey/)
  t.notMatch(list, /Sort|Seq Scan/)
  // The context is verified in index conditions only, which are evaluated once per scan, and in no filter.
  for (const statement of [
    'select id from todos order by id desc limit 20',
    'select count(*) from todos',
    `update todos set title = 'x' where id = '${ids.own}' returning id`,
    `delete from todos where id = '${ids.own}' returning id`,
    'delete from todos where completed',
    'delete from todos',
    `select from idempotency_keys where key = 'own'`,
  ]) {
    const plan = await explain(statement)
    t.match(plan, /Index Cond: \(\(?user_id = \(\(app\.context/, statement)
    t.notMatch(plan, /(?<!One-Time )Filter:.*app\./, `${statement}: ${plan}`)
  }
})
