import t from 'tap'
import { findAdvisories } from '../../db/audit/advisories.ts'
import { audit } from '../../db/audit/audit.ts'
import { cloneDatabase } from '../support/clone-database.ts'

const database = await cloneDatabase(t)
const { admin } = database
const login = new URL(database.url).username

t.test('finds nothing wrong with the migrated database', async (t) => {
  const { tables, findings } = await audit(admin, { roles: [login] })
  t.same(findings, [])
  t.same(
    tables.filter(({ rls }) => rls !== 'forced'),
    [],
  )
  t.match(
    tables.find(({ name }) => name === 'public.todos'),
    { policies: 'delete insert select update', grants: 'delete insert(…) select(…) update(…)' },
  )
})

t.test('finds each way around the policies', async (t) => {
  await admin`create schema bad`
  /** What is done, on what, and what is then found. */
  const faults: [string, string, RegExp][] = [
    ['create table bad.a (id int primary key)', 'bad.a', /security is not enabled/],
    ['alter table bad.a enable row level security', 'bad.a', /is not forced/],
    ['select 1', 'bad.a', /has no policy$/],
    [
      'grant select (id) on bad.a to todo_api',
      'bad.a',
      /^todo_api may select, but no policy is for that command/,
    ],
    ['create policy p on bad.a for update to todo_api using (id = 1)', 'bad.a', /p has no WITH CHECK/],
    ['create policy q on bad.a to todo_api using (true) with check (false)', 'bad.a', /q allows every row/],
    ['create policy r on bad.a for insert to todo_api with check (true)', 'bad.a', /r allows every row/],
    ['create policy s on bad.a for select using (id > 1)', 'bad.a', /s is for PUBLIC/],
    ['create table bad.b (user_id int, x int)', 'bad.b', /security is not enabled/],
    [
      'create policy t on bad.b for select to todo_api using (user_id = 1)',
      'bad.b',
      /t needs an index that starts with user_id/,
    ],
    ['grant truncate on bad.a to todo_api', 'bad.a', /todo_api may truncate/],
    ['grant references (id) on bad.a to public', 'bad.a', /PUBLIC may references/],
    ['grant trigger on bad.a to todo_api', 'bad.a', /todo_api may trigger/],
    ['grant select on bad.b to todo_api', 'bad.b', /may select the whole table/],
    ['grant update (id) on bad.a to todo_api', 'bad.a', /may update id, which identifies/],
    ['grant update (user_id) on bad.b to todo_api', 'bad.b', /may update user_id, which identifies/],
    ['alter table bad.b add created_at date', 'bad.b', /./],
    ['grant update (created_at) on bad.b to todo_api', 'bad.b', /may update created_at/],
    ['alter table bad.b alter user_id set default 1', 'bad.b', /./],
    ['grant insert (user_id) on bad.b to todo_api', 'bad.b', /may insert user_id, whose default/],
    ['alter table bad.b add password_hash text', 'bad.b', /./],
    [
      'grant select (password_hash) on bad.b to todo_api',
      'bad.b',
      /may read password_hash, which looks like a secret/,
    ],
    ['create sequence bad.s', 'bad.s', /^$/],
    ['grant usage on sequence bad.s to todo_api', 'bad.s', /may usage the sequence/],
    [
      'create function bad.f() returns int language sql security definer as $$ select 1 $$',
      'bad.f()',
      /without a fixed search_path/,
    ],
    ['select 1', 'bad.f()', /owned by \w+, to which no policy applies/],
    ['grant execute on function bad.f() to public', 'bad.f()', /PUBLIC may execute it/],
    ['alter function bad.f() set search_path = pg_catalog', 'bad.f()', /does not end with pg_temp/],
    ["alter function bad.f() set search_path = ''", 'bad.f()', /does not end with pg_temp/],
    ['alter function bad.f() set search_path = pg_temp, pg_catalog', 'bad.f()', /does not end with pg_temp/],
    ['grant create on schema bad to todo_api', 'schema bad', /todo_api may create objects in it/],
    ['create view bad.v as select 1 as x', 'bad.v', /^$/],
    ['grant select on bad.v to todo_api', 'bad.v', /view without security_invoker/],
    ['create materialized view bad.m as select 1 as x', 'bad.m', /^$/],
    ['grant select on bad.m to todo_api', 'bad.m', /is a materialized view/],
    [
      'create table bad.c (user_id int, a int references bad.d)',
      'bad.c',
      /foreign key c_a_fkey can refer to another user's row/,
    ],
    ['select 1', 'bad.b', /has no foreign key from user_id/],
    ['create unique index u on bad.b (x)', 'bad.u of bad.b', /does not start with user_id/],
    ['create unique index e on bad.b ((x + 1))', 'bad.e of bad.b', /does not start with user_id/],
  ]
  await admin`create table bad.d (user_id int, id int primary key)`
  for (const [statement, object, expected] of faults) {
    await admin.unsafe(statement)
    const { findings } = await audit(admin, { roles: [login], schemas: ['bad'] })
    const found = findings.filter((entry) => entry.object === object).map(({ finding }) => finding)
    if (expected.source === '^$') t.same(found, [], statement)
    else
      t.ok(
        found.some((finding) => expected.test(finding)),
        `${statement}: ${found}`,
      )
  }
  const { findings } = await audit(admin, { roles: [login], schemas: ['public', 'identity', 'app'] })
  t.same(findings, [], 'and nothing in other schemas')
})

t.test('finds what every role may create until it is revoked', async (t) => {
  const { admin, url } = await cloneDatabase(t)
  const [{ name } = { name: '' }] = await admin<{ name: string }[]>`select current_database() as name`
  await admin`grant temporary, create on database ${admin(name)} to public`
  await admin`grant execute on function lo_create(oid) to public`
  const { findings } = await audit(admin, { roles: [new URL(url).username] })
  t.same(findings, [
    {
      object: `database ${name}`,
      finding: 'PUBLIC may create temporary objects in it, which can hide tables and types',
    },
    { object: `database ${name}`, finding: 'PUBLIC may create schemas in it' },
    { object: 'lo_create(oid)', finding: 'PUBLIC may create large objects, which no policy protects' },
  ])
})

t.test('knows the grants and the missing foreign keys of a sharded table', async (t) => {
  const { admin, url } = await cloneDatabase(t)
  const find = async () => {
    const { findings } = await audit(admin, { roles: [new URL(url).username] })
    return findings.filter(({ object }) => object === 'public.todos')
  }
  await admin`alter table todos drop constraint todos_user_id_fkey`
  await admin`grant insert (user_id, version) on todos to todo_api`
  const expected = [
    { object: 'public.todos', finding: 'todo_api may insert user_id, whose default sets the owner' },
    { object: 'public.todos', finding: 'has no foreign key from user_id: rows outlive their owner' },
  ]
  t.same(await find(), expected)
  await admin`create table pg_dist_partition (logicalrelid regclass)`
  t.same(await find(), expected, 'of a table that Citus has not distributed')
  await admin`insert into pg_dist_partition values ('todos')`
  t.same(await find(), [])
})

t.test('refuses a role or a schema that does not exist', async (t) => {
  await t.rejects(audit(admin, { roles: ['mistyped'] }), { message: 'The role mistyped does not exist.' })
  await t.rejects(audit(admin, { roles: [login], schemas: ['public', 'pubic'] }), {
    message: 'The schema pubic does not exist.',
  })
})

t.test("names the known holes of the server's version", async (t) => {
  t.match(findAdvisories(150013).join(), /CVE-2025-8713: .*; fixed in 15\.14/)
  t.match(findAdvisories(180001).join(), /CVE-2026-2006: .*; fixed in 18\.2/)
  t.notMatch(findAdvisories(180001).join(), 'CVE-2025-8713', 'which 18 never had')
  t.match(findAdvisories(170011), [/^CVE-2026-120154: /])
  for (const version of [150020, 160016, 170012, 180007, 190000]) t.same(findAdvisories(version), [])
})

t.test('follows a role into what it is a member of', async (t) => {
  const name = `audited_${process.pid}`
  const role = admin(name)
  await admin`create role ${role} bypassrls`
  const group = admin(`${name}_group`)
  await admin`create role ${group} superuser`
  await admin`grant ${group} to ${role}`
  await admin`alter role ${role} set row_security to off`
  await admin`create table public.theirs (id int)`
  await admin`alter table public.theirs owner to ${group}`
  const { findings } = await audit(admin, { roles: [name] })
  await admin`drop owned by ${group}`
  await admin`drop role ${role}`
  await admin`drop role ${group}`
  const found = findings.map(({ object, finding }) => `${object} ${finding}`.replaceAll(name, 'role'))
  for (const expected of [
    /^role has BYPASSRLS/,
    /^role_group is a superuser/,
    /^role_group owns public.theirs/,
    /^role runs with row_security off/,
  ])
    t.ok(
      found.some((finding) => expected.test(finding)),
      `${expected} in ${found}`,
    )
})
