import type { Tx } from '../database/transaction.ts'

/**
 * Finds what makes the API's login role unsafe, one sentence each: row-level security does not apply to superusers,
 * roles with BYPASSRLS and, unless it is forced, table owners. Includes the roles it is a member of.
 */
export const findRoleFaults = (tx: Tx) => tx<{ fault: string }>`
  with own_roles as (
    select oid, rolname, rolsuper, rolbypassrls from pg_catalog.pg_roles
    where pg_catalog.pg_has_role(current_user, oid, 'MEMBER')
  ), tables as (
    select c.oid, n.nspname, c.relname, c.relowner, c.relrowsecurity and c.relforcerowsecurity as guarded
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_'
  )
  select format('The role %I is %s.', current_user, case
      when m.rolname = current_user then '' else format('a member of %I, which is ', m.rolname) end ||
      case when m.rolsuper then 'a superuser' else 'allowed to bypass row-level security' end) as fault
    from own_roles m where m.rolsuper or m.rolbypassrls
  union all
  select format('The role %I owns the table %I.%I.', current_user, t.nspname, t.relname)
    from tables t where pg_catalog.pg_has_role(current_user, t.relowner, 'MEMBER')
  union all
  select format('The role %I can access the table %I.%I, whose row-level security is not enabled and forced.',
      current_user, t.nspname, t.relname)
    from tables t where not t.guarded
      and pg_catalog.has_any_column_privilege(t.oid, 'SELECT, INSERT, UPDATE, REFERENCES')
  union all
  select format('The role %I can create temporary objects: run "revoke temporary on database %I from public" as the owner.',
      current_user, current_database())
    where pg_catalog.has_database_privilege(current_database(), 'TEMPORARY')
  union all
  select format('The role %I can create objects in the schema %I.', current_user, n.nspname)
    from pg_catalog.pg_namespace n
    where n.nspname !~ '^pg_' and pg_catalog.has_schema_privilege(n.oid, 'CREATE')
  union all
  select format('The function %s does not have search_path = pg_catalog, pg_temp.', f.oid::regprocedure)
    from pg_catalog.pg_proc f join pg_catalog.pg_namespace n on n.oid = f.pronamespace
    where f.prosecdef and n.nspname in ('app', 'public')
      and not coalesce(f.proconfig @> '{"search_path=pg_catalog, pg_temp"}', false)
      and not exists (select from pg_catalog.pg_depend d
        where d.classid = 'pg_proc'::regclass and d.objid = f.oid and d.deptype = 'e')
  union all
  select 'The database server is a standby or otherwise read-only: use the primary.'
    where pg_catalog.pg_is_in_recovery() or pg_catalog.current_setting('default_transaction_read_only')::boolean
  union all
  select format('The role %I is not a member of todo_api.', current_user)
    where not exists (select from own_roles where rolname = 'todo_api')`

/** Whether there is a key for signing the user context; a restored dump has none. */
export const hasContextKey = (tx: Tx) => tx<{ exists: boolean }>`select app.has_context_key() as exists`

/** The version of the newest applied migration. */
export const getSchemaVersion = (tx: Tx) =>
  tx<{ version: string }>`select coalesce(app.schema_version(), '') as version`

/** Whether the extension Citus is in the database, and whether the role passes SET LOCAL on to its nodes. */
export const findCitus = (tx: Tx) => tx<{ installed: boolean; passes_on: boolean }>`
  select to_regclass('pg_dist_partition') is not null as installed,
         current_setting('citus.propagate_set_commands', true) is not distinct from 'local' as passes_on`

/** Whether Citus has distributed the todos. Its catalogue exists only where it is installed. */
export const isSharded = (tx: Tx) => tx<{ sharded: boolean }>`
  select exists (select from pg_dist_partition where logicalrelid = 'public.todos'::regclass) as sharded`
