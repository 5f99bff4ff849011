import postgres from 'postgres'
import t from 'tap'
import { cloneDatabase } from '../support/clone-database.ts'
import { ids, insertRows, secrets } from './fixture.ts'

const database = await cloneDatabase(t)
const { admin } = database
await insertRows(admin)

/** One statement for each kind of object that SQL can create, sent by the role that the API logs in with. */
const statements = [
  'create temporary table todos (id uuid)',
  'create temporary view users as select 1 as id',
  'create temporary sequence s',
  'create domain pg_temp.text as pg_catalog.text',
  'create domain pg_temp.uuid as pg_catalog.uuid check (true)',
  'create type pg_temp.timestamptz as (x int)',
  'create function pg_temp.now() returns int language sql return 1',
  'create operator pg_temp.= (leftarg = uuid, rightarg = uuid, function = uuid_eq)',
  'select * into temporary stolen from pg_catalog.pg_class',
  ...['public', 'app', 'identity', 'pg_catalog', 'information_schema'].flatMap((schema) => [
    `create table ${schema}.x (id int)`,
    `create unlogged table ${schema}.x (id int)`,
    `create table ${schema}.x as select 1`,
    `create view ${schema}.x as select 1`,
    `create materialized view ${schema}.x as select 1`,
    `create sequence ${schema}.x`,
    `create domain ${schema}.x as int`,
    `create type ${schema}.x as enum ('a')`,
    `create type ${schema}.x as range (subtype = int)`,
    `create function ${schema}.x() returns int language sql return 1`,
    `create procedure ${schema}.x() language sql begin atomic select 1; end`,
    `create aggregate ${schema}.x(int) (sfunc = int4pl, stype = int)`,
    `create operator ${schema}.=== (leftarg = uuid, rightarg = uuid, function = uuid_eq)`,
    `create operator family ${schema}.x using btree`,
    `create collation ${schema}.x from "C"`,
    `create conversion ${schema}.x for 'UTF8' to 'LATIN1' from utf8_to_iso8859_1`,
    `create text search dictionary ${schema}.x (template = simple)`,
    `create text search configuration ${schema}.x (copy = simple)`,
    `create statistics ${schema}.x on id, email from users`,
  ]),
  'create schema x',
  'create schema authorization current_user',
  'create index on todos (title)',
  'create rule x as on select to todos do instead select 1',
  'create trigger x before insert on todos for each row execute function suppress_redundant_updates_trigger()',
  'create policy x on todos using (true)',
  'create statistics x on title, notes from todos',
  'create cast (uuid as bytea) without function',
  'create extension pg_trgm',
  'create language x handler plpgsql_call_handler',
  'create event trigger x on ddl_command_start execute function suppress_redundant_updates_trigger()',
  'create foreign data wrapper x',
  'create server x foreign data wrapper x',
  'create publication x for table todos',
  "create subscription x connection '' publication x with (connect = false)",
  'create role x',
  'create user x superuser',
  'create access method x type table handler heap_tableam_handler',
  'select lo_create(0)',
  'select lo_creat(-1)',
  "select lo_from_bytea(0, 'x')",
  "select lo_import('/etc/hostname')",
]

t.test('lets the role of the API create no object of any kind', async (t) => {
  const sql = postgres(database.url, { max: 1, onnotice: () => {} })
  t.teardown(() => sql.end())
  for (const statement of statements) {
    const code = await sql.unsafe(statement).then(
      () => 'created',
      (error) => error.code,
    )
    // No privilege; no such server or wrapper, which only others could have made; reserved.
    t.match(code, /^(42501|42704|42939|42P17)$/, statement)
  }
  // These cannot run in a transaction block.
  for (const statement of ['create database x', "create tablespace x location '/tmp'"])
    await t.rejects(sql.unsafe(statement), { code: '42501' }, statement)
})

t.test('looks in no temporary schema first, were one ever to be had', async (t) => {
  await admin.unsafe(
    `do $$ begin execute format('grant temporary on database %I to public', current_database()); end $$`,
  )
  const sql = postgres(database.url, { max: 1, onnotice: () => {} })
  t.teardown(() => sql.end())
  await sql.unsafe(`
    create function pg_temp.steal() returns boolean language plpgsql as
      $$ begin raise exception 'runs as %', current_user; end $$;
    create table pg_temp.stolen (who name);
    create table pg_temp.sessions as select 1;
    create domain pg_temp.text as pg_catalog.text check (pg_temp.steal());
    create domain pg_temp.uuid as pg_catalog.uuid check (pg_temp.steal());
    create domain pg_temp.bytea as pg_catalog.bytea check (pg_temp.steal());
    create domain pg_temp.timestamptz as pg_catalog.timestamptz check (pg_temp.steal());
    create domain pg_temp."interval" as pg_catalog.interval check (pg_temp.steal())`)
  await t.rejects(sql.unsafe(`select 'x'::pg_temp.text`), /runs as/, 'the trap is one')
  const functions = await admin<{ call: string }[]>`
    select format('select * from %s(%s)', p.oid::regproc, string_agg(format('null::pg_catalog.%s', t.typname), ', ' order by n)) as call
    from pg_proc p, unnest(p.proargtypes) with ordinality as a (type, n) join pg_type t on t.oid = a.type
    where prosecdef and pronamespace = 'app'::regnamespace group by p.oid, p.proname`
  t.ok(functions.length > 5)
  for (const { call } of functions)
    await sql.unsafe(call).catch((error) => t.notMatch(error.message, /runs as/, call))
  const [{ scopes } = { scopes: null }] = await sql<{ scopes: string[] }[]>`
    select scopes from app.authenticate(${ids.ada}, ${ids.used}, ${secrets.session})`
  t.same(scopes, ['todos:read', 'todos:write', 'account'])
})
