import type { Sql } from 'postgres'
import { findAdvisories } from './advisories.ts'
import { findingQueries } from './findings.ts'

export interface AuditOptions {
  /** The schemas to check; by default all but the system's. */
  schemas?: readonly string[] | undefined
  /** The roles that the application logs in with; the roles they are members of are included. */
  roles: readonly string[]
  /** The column that contains a row's owner; by default `user_id`. */
  column?: string | undefined
}
export interface Finding {
  object: string
  finding: string
}
export interface AuditedTable {
  name: string
  /** `forced`, `enabled` or `off`. */
  rls: string
  /** The commands with a policy for the roles. */
  policies: string
  /** The privileges of the roles; those on some columns only are marked with `(…)`. */
  grants: string
}

// Citus' list of the tables that it distributes over its nodes exists only where Citus is installed.
const SHARDED = 'select logicalrelid::oid from pg_dist_partition'
const NOT_SHARDED = 'select null::oid where false'

// Every query begins with these. They read memberships from pg_auth_members, because pg_has_role() treats a superuser
// as a member of every role.
const withBase = (sharded: string) => `
with recursive sharded (oid) as (
  ${sharded}
), asked as (
  select $1::text[] as schemas, $2::text[] as roles, $3::text as owner_column
), audited (oid) as (
  select r.oid from pg_catalog.pg_roles r, asked where r.rolname = any (asked.roles)
  union
  select m.roleid from pg_catalog.pg_auth_members m join audited a on a.oid = m.member
), grantees (oid, name) as (
  select oid, rolname::text from pg_catalog.pg_roles where oid in (select oid from audited)
  union all
  select 0, 'PUBLIC'
), schemas (oid, name) as (
  select n.oid, n.nspname from pg_catalog.pg_namespace n, asked
  where n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
    and (asked.schemas is null or n.nspname = any (asked.schemas))
), relations as (
  select c.*, format('%I.%I', s.name, c.relname) as name
  from pg_catalog.pg_class c join schemas s on s.oid = c.relnamespace
  where not exists (select from pg_catalog.pg_depend d
    where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
), tables as (
  select * from relations where relkind in ('r', 'p')
), columns as (
  select t.oid as table, t.name as table_name, a.attnum, a.attname::text as name, a.attacl, a.atthasdef
  from tables t join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
), grants (relation, name, attnum, column_name, privilege, grantee, grantee_name) as (
  select r.oid, r.name, null::smallint, null, acl.privilege_type, g.oid, g.name
  from relations r, pg_catalog.aclexplode(r.relacl) acl join grantees g on g.oid = acl.grantee
  union all
  select c.table, c.table_name, c.attnum, c.name, acl.privilege_type, g.oid, g.name
  from columns c, pg_catalog.aclexplode(c.attacl) acl join grantees g on g.oid = acl.grantee
), policies as (
  select p.oid, p.polrelid, t.name as table_name, p.polname, p.polcmd, p.polpermissive, 0 = any (p.polroles) as everyone,
         pg_get_expr(p.polqual, p.polrelid) as qual, pg_get_expr(p.polwithcheck, p.polrelid) as with_check
  from pg_catalog.pg_policy p join tables t on t.oid = p.polrelid
  where 0 = any (p.polroles) or exists (select from audited a where a.oid = any (p.polroles))
), unique_keys (oid, relation, name, attnums) as (
  select i.indexrelid, i.indrelid, format('%s of %s', i.indexrelid::regclass, t.name), i.indkey::smallint[]
  from pg_catalog.pg_index i join tables t on t.oid = i.indrelid where i.indisunique
), owners (relation, attnum) as (
  select c.table, c.attnum from columns c, asked where c.name = asked.owner_column
)`

/**
 * Audits row-level security from the catalogue, which every role can read.
 * @returns how each table is protected, everything that would let the roles bypass row-level security, and the known
 *   holes of the server's version, which only an update closes
 * @throws {Error} when a role or a schema does not exist
 */
export async function audit(sql: Sql, { schemas, roles, column = 'user_id' }: AuditOptions) {
  const parameters = [schemas ? [...schemas] : null, [...roles], column]
  const [citus] = await sql`select where to_regclass('pg_dist_partition') is not null`
  const base = withBase(citus ? SHARDED : NOT_SHARDED)
  const ask = <Row>(query: string) => sql.unsafe<Row[] & object[]>(`${base} ${query}`, parameters as never[])
  const [unknown] = await ask<{ name: string }>(`
    select format('role %s', role) as name from asked, unnest(asked.roles) role
    where role not in (select rolname from pg_catalog.pg_roles)
    union all
    select format('schema %s', schema) from asked, unnest(asked.schemas) schema
    where schema not in (select name from schemas)`)
  if (unknown) throw new Error(`The ${unknown.name} does not exist.`)
  const tables = await ask<AuditedTable>(`
    select t.name,
           case when t.relrowsecurity and t.relforcerowsecurity then 'forced' when t.relrowsecurity then 'enabled' else 'off' end as rls,
           (select coalesce(string_agg(distinct case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update'
               when 'd' then 'delete' else 'all' end, ' '), '-') from policies p where p.polrelid = t.oid) as policies,
           (select coalesce(string_agg(distinct lower(g.privilege) || case when g.attnum is null then '' else '(…)' end, ' '), '-')
              from grants g where g.relation = t.oid) as grants
    from tables t order by t.name`)
  const found: Finding[] = []
  for (const query of findingQueries) found.push(...(await ask<Finding>(query)))
  const [server] = await sql<{ version: number }[]>`
    select current_setting('server_version_num')::integer as version`
  return { tables: [...tables], findings: found, advisories: findAdvisories(Number(server?.version)) }
}
