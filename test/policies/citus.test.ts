import type { TransactionSql } from 'postgres'
import t from 'tap'
import { cloneDatabase } from '../support/clone-database.ts'
import { placement, standIns } from './citus.ts'
import { ids, insertRows } from './fixture.ts'

// What Citus demands of the schema, as far as plain PostgreSQL can tell. Citus itself is not in here: stand-ins for its
// table and functions write down what db/citus.sql asks of them.

const { admin, url } = await cloneDatabase(t)
const { username: login } = new URL(url)
await insertRows(admin)

/** Runs the file twice, looks, and takes it all back: roles are the whole server's. */
async function afterCitus<T>(look: (sql: TransactionSql) => Promise<T>, before = 'select'): Promise<T> {
  let seen: T | undefined
  const undone = new Error('undone')
  await admin
    .begin(async (sql) => {
      await sql.unsafe(`${before};${standIns}`)
      for (let n = 0; n < 2; n++) await sql.unsafe(placement)
      seen = await look(sql)
      throw undone
    })
    .catch((error) => {
      if (error !== undone) throw error
    })
  return seen as T
}

const sharded = await afterCitus(async (sql) => {
  const placed = await sql<{ name: string }[]>`select logicalrelid::text as name from pg_dist_partition`
  return placed.map(({ name }) => name)
})

t.test('distributes the content of users once, and leaves accounts on the coordinator', async (t) => {
  const later =
    'create table later (user_id uuid default app.user_id() references users, id uuid, primary key (user_id, id))'
  const { placed, keys, left } = await afterCitus(
    async (sql) => ({
      placed: await sql`select logicalrelid::text as name, key, colocated from pg_dist_partition`,
      keys: await sql`
        select conrelid::regclass::text as own, confrelid::regclass::text as other from pg_constraint
        where contype = 'f' and conrelid in (select logicalrelid from pg_dist_partition)`,
      left: await sql`select user_id from todos union all select user_id from idempotency_keys`,
    }),
    later,
  )
  const names = placed.map(({ name }) => name)
  t.same(names, [...sharded, 'later'], 'a later table too')
  t.ok(['todos', 'idempotency_keys'].every((name) => names.includes(name)))
  t.same(
    placed,
    names.map((name, n) => ({ name, key: 'user_id', colocated: n === 0 ? 'default' : 'public.todos' })),
  )
  for (const { own, other } of keys)
    t.ok(names.indexOf(other) <= names.indexOf(own), `${own} comes after ${other}`)
  t.same([...left], [], 'and truncates what stays behind on the coordinator')
  t.equal((await admin`select from todos`).length, 2)
})

t.test('lets the API insert the columns with defaults, and app.delete_content delete', async (t) => {
  const later = `
    create table later (user_id uuid default app.user_id() references users, id uuid, primary key (user_id, id));
    create policy later_insert_own on later for insert to todo_api with check (user_id = app.user_id('todos:write'));
    grant insert (id) on later to todo_api; alter table later enable row level security, force row level security;
    insert into later values ('${ids.ada}', '${ids.own}'), ('${ids.bob}', '${ids.other}')`
  const become = (sql: TransactionSql, role: string) =>
    sql.unsafe(`set local role ${role};
      select set_config('app.context', identity.sealed_context('${ids.ada}', '${ids.used}', now(), '{account,todos:write}'), true)`)
  const { inserts, left } = await afterCitus(async (sql) => {
    const inserts = await sql`
      select relname::text as name, has_column_privilege('todo_api', c.oid, attnum, 'INSERT') as granted
      from pg_class c join pg_attribute on attrelid = c.oid and atthasdef
      where c.oid in (select logicalrelid from pg_dist_partition)`
    await sql`insert into todos (user_id, id, title) values (${ids.ada}, ${ids.own}, 'a'), (${ids.bob}, ${ids.other}, 'b')`
    await sql`insert into later values (${ids.ada}, ${ids.own}), (${ids.bob}, ${ids.other})`
    await become(sql, 'todo_auth')
    await sql`select app.delete_content()`
    await sql`reset role`
    const left = await sql`select user_id::text as id from todos union all select user_id::text from later`
    return { inserts, left }
  }, later)
  t.ok(inserts.length > 10)
  t.same(
    inserts.filter(({ granted }) => !granted),
    [],
  )
  t.same([...left], [{ id: ids.bob }, { id: ids.bob }])
})

t.test('sets up the roles, and lets functions reach the other nodes', async (t) => {
  const [role] = await afterCitus(
    (sql) => sql`
      select s.setconfig as settings, (select rolcanlogin from pg_roles where rolname = 'todo_auth') as reaches
      from pg_db_role_setting s where setrole = ${login}::regrole
        and setdatabase = (select oid from pg_database where datname = current_database())`,
  )
  t.same(role, {
    settings: ['lock_timeout=1200ms', 'citus.propagate_set_commands=local'],
    reaches: true,
  })
  const [before] = await admin`select rolcanlogin as reaches from pg_roles where rolname = 'todo_auth'`
  t.same(before, { reaches: false }, 'and not on a server of its own')
})

t.test('has no sub-select in a policy', async (t) => {
  const policies = await admin`
    select polname as name, concat(polqual, polwithcheck) like '%{SUBLINK%' as asks from pg_policy`
  t.ok(policies.length > 30)
  t.same(
    policies.filter(({ asks }) => asks),
    [],
  )
})

t.test('has no trigger but those of foreign keys', async (t) => {
  t.same([...(await admin`select tgrelid::regclass, tgname from pg_trigger where not tgisinternal`)], [])
})

t.test('has user_id in every unique index and foreign key of a sharded table', async (t) => {
  const keys = await admin<{ name: string; first: string }[]>`
    select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid, 1, true) as first
    from pg_index where indisunique and indrelid = any (${sharded}::regclass[])
    union all
    select conname, attname from pg_constraint join pg_attribute on attrelid = conrelid and attnum = conkey[1]
    where contype = 'f' and conrelid = any (${sharded}::regclass[])`
  t.ok(keys.length >= 4)
  for (const { name, first } of keys) t.equal(first, 'user_id', name)
})

t.test('says who is asking by SET LOCAL, in functions too', async (t) => {
  const functions = await admin<{ name: string; body: string }[]>`
    select proname as name, lower(pg_get_functiondef(oid)) as body from pg_proc where pronamespace = 'app'::regnamespace`
  for (const { name, body } of functions) t.notMatch(body, /set_config/, name)
  const { body = '' } = functions.find(({ name }) => name === 'authenticate') ?? {}
  t.match(body, "execute format('set local app.context = %l'")
})

t.test('updates by nothing that may come out another way on another node', async (t) => {
  const updates = await admin<{ text: string }[]>`
    select (regexp_matches(lower(pg_get_functiondef(oid)), 'update [a-z_.]+[^;]* set [^;]*;', 'g'))[1] as text
    from pg_proc where pronamespace = 'app'::regnamespace`
  t.ok(updates.length >= 6)
  for (const { text } of updates)
    t.notMatch(text, /clock_timestamp|random|(coalesce|case)\b[^,;]*now\(\)/, text)
})

t.test('tells the shard by a parameter, and still asks the policy, once', async (t) => {
  const explain = (asking: string) =>
    admin.begin(async (sql) => {
      await sql`select set_config('app.context', identity.sealed_context(${asking}, ${asking}, now(), '{}'), true)`
      await sql`set local role todo_api`
      await sql`set local enable_seqscan = off`
      const plan = await sql.unsafe<{ 'QUERY PLAN': string }[]>(
        `explain (analyze, costs off, timing off, summary off, buffers off)
         select id from todos where user_id = '${ids.ada}' and id = '${ids.own}'`,
      )
      return plan.map((row) => row['QUERY PLAN']).join('\n')
    })
  const [own, others] = [await explain(ids.ada), await explain(ids.bob)]
  t.match(own, /One-Time Filter: \(.*app\.context\(/)
  t.match(own, /Index Cond: \(\(user_id = '[-0-9]+'::uuid\) AND \(id = /)
  t.match(own, /rows=1(\.00)? loops=1/)
  t.match(others, /never executed/, 'and with another’s id nothing is read')
})
