// The checks of the audit. Each query, which uses the tables that audit.ts defines, returns objects and what is wrong
// with them. Sources: PostgreSQL manual, sections 5.9 (row security policies), 38.3 and CREATE FUNCTION
// ("Writing SECURITY DEFINER Functions Safely"), CREATE VIEW (security_invoker).

const tables = [
  `select name as object, 'row-level security is not enabled' as finding from tables where not relrowsecurity`,
  `select name as object, 'row-level security is not forced: it does not apply to the owner' as finding
   from tables where relrowsecurity and not relforcerowsecurity`,
  `select t.name as object, 'has no policy' as finding
   from tables t where t.relrowsecurity and not exists (select from pg_catalog.pg_policy p where p.polrelid = t.oid)`,
  `select distinct g.name as object, format('%s may %s, but no policy is for that command', g.grantee_name, lower(g.privilege)) as finding
   from grants g join tables t on t.oid = g.relation
   where t.relrowsecurity and g.privilege in ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
     and not exists (select from policies p where p.polrelid = t.oid and p.polpermissive
       and p.polcmd in ('*', case g.privilege when 'SELECT' then 'r' when 'INSERT' then 'a' when 'UPDATE' then 'w' else 'd' end))`,
]

const policies = [
  `select table_name as object, format('the policy %I has no WITH CHECK', polname) as finding
   from policies where polcmd in ('a', 'w', '*') and with_check is null and polpermissive`,
  `select table_name as object, format('the policy %I allows every row', polname) as finding
   from policies where polpermissive and 'true' in (qual, with_check)`,
  `select table_name as object, format('the policy %I is for PUBLIC: it should name a role', polname) as finding
   from policies where polpermissive and everyone`,
  `select p.table_name as object, format('the policy %I needs an index that starts with %s', p.polname, string_agg(distinct c.name, ' or ')) as finding
   from policies p
   join pg_catalog.pg_depend d on d.classid = 'pg_policy'::regclass and d.objid = p.oid and d.refobjid = p.polrelid and d.refobjsubid > 0
   join columns c on c.table = p.polrelid and c.attnum = d.refobjsubid
   group by p.oid, p.table_name, p.polname, p.polrelid
   having not exists (select from pg_catalog.pg_index i where i.indrelid = p.polrelid and i.indkey[0] = any (array_agg(c.attnum)))`,
]

const roles = [
  `select r.rolname as object, 'is a superuser: no policy applies to it' as finding
   from pg_catalog.pg_roles r join audited a using (oid) where r.rolsuper`,
  `select r.rolname as object, 'has BYPASSRLS: no policy applies to it' as finding
   from pg_catalog.pg_roles r join audited a using (oid) where r.rolbypassrls`,
  `select r.rolname as object, format('owns %s, and can drop its policies', string_agg(t.name, ', ' order by t.name)) as finding
   from pg_catalog.pg_roles r join audited a using (oid) join tables t on t.relowner = r.oid group by r.rolname`,
  `select coalesce(r.rolname, 'every role') as object, 'runs with row_security off: its queries fail instead of being filtered' as finding
   from pg_catalog.pg_db_role_setting s left join pg_catalog.pg_roles r on r.oid = s.setrole
   where 'row_security=off' = any (s.setconfig) and s.setdatabase in (0, (select oid from pg_catalog.pg_database where datname = current_database()))
     and (s.setrole = 0 or s.setrole in (select oid from audited))`,
]

const grants = [
  `select g.name as object, format('%s may %s, which no policy restricts', g.grantee_name, lower(g.privilege)) as finding
   from grants g join tables t on t.oid = g.relation where g.privilege in ('TRUNCATE', 'REFERENCES', 'TRIGGER', 'MAINTAIN')`,
  `select g.name as object, format('%s may %s the whole table, including columns that are added later', g.grantee_name, lower(g.privilege)) as finding
   from grants g join tables t on t.oid = g.relation where g.attnum is null and g.privilege in ('SELECT', 'INSERT', 'UPDATE')`,
  // The database sets keys, owners and times of creation. Citus sends the default of the owner as a value.
  `select distinct g.name as object, format('%s may update %I, which identifies the row or its owner', g.grantee_name, g.column_name) as finding
   from grants g
   where g.privilege = 'UPDATE' and g.attnum is not null and (
     (g.relation, g.attnum) in (select relation, attnum from owners)
     or g.column_name ~ '^(created|inserted)_'
     or exists (select from pg_catalog.pg_index i where i.indrelid = g.relation and i.indisprimary and g.attnum = any (i.indkey)))`,
  `select g.name as object, format('%s may insert %I, whose default sets the owner', g.grantee_name, g.column_name) as finding
   from grants g join owners o on o.relation = g.relation and o.attnum = g.attnum
   join columns c on c.table = g.relation and c.attnum = g.attnum and c.atthasdef
   where g.privilege = 'INSERT' and g.relation not in (select oid from sharded)`,
  `select g.name as object, format('%s may read %I, which looks like a secret', g.grantee_name, g.column_name) as finding
   from grants g where g.privilege = 'SELECT' and g.column_name ~* '(password|passwd|secret|salt|hash|private_key)'`,
  `select g.name as object, format('%s may %s the sequence, which reveals how many rows all users have', g.grantee_name, lower(g.privilege)) as finding
   from grants g join relations r on r.oid = g.relation where r.relkind = 'S'`,
]

// A role can create an object with the name of one that a function or statement of the application uses.
const creation = [
  `select format('database %I', d.datname) as object,
          format('%s may create %s', g.name, case acl.privilege_type when 'CREATE' then 'schemas in it' else 'temporary objects in it, which can hide tables and types' end) as finding
   from pg_catalog.pg_database d, pg_catalog.aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) acl join grantees g on g.oid = acl.grantee
   where d.datname = current_database() and acl.privilege_type in ('CREATE', 'TEMPORARY')
   order by acl.privilege_type desc`,
  `select format('schema %I', n.nspname) as object, format('%s may create objects in it', g.name) as finding
   from pg_catalog.pg_namespace n join schemas s on s.oid = n.oid, pg_catalog.aclexplode(n.nspacl) acl join grantees g on g.oid = acl.grantee
   where acl.privilege_type = 'CREATE'`,
  `select f.oid::regprocedure::text as object, format('%s may create large objects, which no policy protects', g.name) as finding
   from pg_catalog.pg_proc f, pg_catalog.aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) acl join grantees g on g.oid = acl.grantee
   where f.pronamespace = 'pg_catalog'::regnamespace and f.proname in ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_import')`,
]

const functions = [
  `select f.oid::regprocedure::text as object, x.finding
   from pg_catalog.pg_proc f join schemas s on s.oid = f.pronamespace join pg_catalog.pg_roles o on o.oid = f.proowner,
   lateral (values
     (not exists (select from unnest(f.proconfig) setting where setting ~ '^search_path='),
      'is SECURITY DEFINER without a fixed search_path: its caller chooses which objects it uses'),
     (exists (select from unnest(f.proconfig) setting where setting ~ '^search_path=' and setting !~ ', *"?pg_temp"?$'),
      'is SECURITY DEFINER and its search_path does not end with pg_temp: temporary objects are found first'),
     (o.rolsuper or o.rolbypassrls, format('is SECURITY DEFINER and owned by %I, to which no policy applies', o.rolname)),
     (exists (select from pg_catalog.aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) acl where acl.grantee = 0),
      'is SECURITY DEFINER and PUBLIC may execute it')
   ) as x (wrong, finding)
   where f.prosecdef and x.wrong
     and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = f.oid and d.deptype = 'e')`,
]

const views = [
  `select distinct r.name as object, 'is a view without security_invoker: it reads with its owner''s privileges' as finding
   from relations r join grants g on g.relation = r.oid
   where r.relkind = 'v' and not exists (select from pg_catalog.pg_options_to_table(r.reloptions) o
     where o.option_name = 'security_invoker' and lower(o.option_value) in ('true', 'on', 'yes', '1'))`,
  `select distinct r.name as object, 'is a materialized view, which no policy can protect' as finding
   from relations r join grants g on g.relation = r.oid where r.relkind = 'm'`,
]

const keys = [
  `select t.name as object, format('the foreign key %I can refer to another user''s row: it must include %s', f.conname, asked.owner_column) as finding
   from pg_catalog.pg_constraint f join tables t on t.oid = f.conrelid
   join owners o on o.relation = f.conrelid join owners p on p.relation = f.confrelid, asked
   where f.contype = 'f' and not exists (
     select from unnest(f.conkey, f.confkey) as pair (own, other) where pair.own = o.attnum and pair.other = p.attnum)`,
  // Citus allows none to a table that is not distributed.
  `select t.name as object, format('has no foreign key from %s: rows outlive their owner', asked.owner_column) as finding
   from tables t join owners o on o.relation = t.oid, asked
   where t.oid not in (select oid from sharded) and not exists (
     select from pg_catalog.pg_constraint f where f.conrelid = t.oid and f.contype = 'f' and o.attnum = any (f.conkey))`,
  `select u.name as object, format('does not start with %s: a violation reveals other users'' rows', asked.owner_column) as finding
   from unique_keys u join owners o using (relation), asked where u.attnums[0] <> o.attnum`,
]

export const findingQueries = [
  ...tables,
  ...policies,
  ...roles,
  ...grants,
  ...creation,
  ...functions,
  ...views,
  ...keys,
]
