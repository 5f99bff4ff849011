import { readFileSync } from 'node:fs'
import type postgres from 'postgres'
import type { TestDatabase } from '../support/clone-database.ts'
import { derivedTables } from './derived.ts'
import type { Cell } from './table.ts'

const query = `
with who (oid, name) as (
  select oid, rolname::text from pg_roles where rolname in ('todo_api', 'todo_auth', :login)
  union all select 0, 'public'
), relations as (
  select c.oid, format('%s.%s', nspname, relname) as name, relacl from pg_class c join pg_namespace n on n.oid = relnamespace
  where nspname in ('public', 'app', 'identity') and relkind <> 'i'
), granted (oid, name, privilege, object, columns) as (
  select grantee, null, privilege_type, r.name, null from relations r, aclexplode(relacl)
  union all
  select grantee, null, privilege_type, r.name, string_agg(attname, ' ' order by attname)
  from relations r join pg_attribute a on a.attrelid = r.oid, aclexplode(attacl) group by 1, 3, 4
  union all
  select grantee, null, privilege_type, p.oid::regprocedure::text, null
  from pg_proc p, aclexplode(coalesce(proacl, acldefault('f', proowner)))
  where pronamespace in ('app'::regnamespace, 'identity'::regnamespace)
  union all
  select grantee, null, privilege_type, 'schema ' || nspname, null
  from pg_namespace, aclexplode(nspacl) where nspname in ('app', 'identity') or (nspname = 'public' and privilege_type = 'CREATE')
  union all
  select grantee, null, privilege_type, 'the database', null
  from pg_database d, aclexplode(coalesce(datacl, acldefault('d', datdba))) where datname = current_database()
  union all
  select grantee, null, privilege_type, p.oid::regprocedure::text, null
  from pg_proc p, aclexplode(coalesce(proacl, acldefault('f', proowner)))
  where pronamespace = 'pg_catalog'::regnamespace and proname in ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_import')
  union all
  select proowner, null, 'defines', concat_ws(' ', p.oid::regprocedure, 'with', array_to_string(proconfig, '; ')), null
  from pg_proc p where prosecdef and pronamespace = 'app'::regnamespace
  union all
  select member, null, 'is a member of', roleid::regrole::text, null from pg_auth_members where member <> 0
  union all
  select oid, null, 'is', x.what, null from pg_roles,
    lateral (values ('a superuser', rolsuper), ('let past row-level security', rolbypassrls),
      ('let make roles', rolcreaterole), ('let make databases', rolcreatedb)) as x (what, is_so) where x.is_so
)
select distinct concat_ws(' ', case when w.name = :login then 'login' else w.name end, lower(privilege), object, '(' || columns || ')') as line
from granted join who w using (oid) order by 1`

/** Every right that the API's roles, and everybody, have; a line each. */
export async function listRights({ admin, url }: TestDatabase): Promise<string[]> {
  const login = `'${new URL(url).username}'`
  const rows = await (admin as postgres.Sql).unsafe<{ line: string }[]>(query.replaceAll(':login', login))
  return rows.map(({ line }) => line)
}

/** Compares them with those that there should be. */
export async function* tryRights(database: TestDatabase): AsyncGenerator<Cell> {
  const expected = readFileSync(new URL('rights.txt', import.meta.url), 'utf8')
    .trim()
    .split('\n')
    .concat((await derivedTables(database.admin)).flatMap(({ rights }) => rights))
  const actual = await listRights(database)
  for (const line of new Set([...expected, ...actual]))
    yield {
      name: `the right: ${line}`,
      expected: String(expected.includes(line)),
      actual: String(actual.includes(line)),
    }
}
