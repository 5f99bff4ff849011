-- Distributes the content of all users over the nodes of a Citus 13 cluster. Run it as a superuser on the coordinator,
-- after the migrations: psql --set ON_ERROR_STOP=1 --file=db/citus.sql todo. Run it again after every migration, after
-- a change of the login roles or of the context's key, and for a new node before shards are moved to it. db/migrations/README.md
-- has the steps before and after it.
--
-- A superuser, because the rows of a table move into its shards by reading them, and forced row-level security would
-- show none to the owner.

-- Everything up to the tables is done on each node by itself: Citus passes on only a part of it.
set citus.enable_ddl_propagation = off;

create or replace function pg_temp.run_on_nodes(command text) returns void language plpgsql as $run$
declare
  answer record;
begin
  for answer in
    -- A coordinator that holds shards is among the nodes, and has everything already.
    select * from run_command_on_workers(format($node$do $do$ begin
      set local citus.enable_ddl_propagation = off;
      set local check_function_bodies = off;
      set local lock_timeout = '10s';
      if to_regclass('public.users') is null then %s end if;
    end $do$ $node$, command))
  loop
    if not answer.success then
      raise exception 'The node %:% reports: %', answer.nodename, answer.nodeport, answer.result;
    end if;
  end loop;
end
$run$;

-- The roles. A node connects to another as the role that runs the statement: as todo_auth within a definer function, so
-- that it must be able to log in. It has no password; pg_hba.conf must accept it from the nodes only, by certificate.
alter role todo_auth login;
select pg_temp.run_on_nodes(string_agg(format(
  'if not exists (select from pg_roles where rolname = %1$L) then create role %1$I %2$s %3$s;
   elsif (select rolcanlogin from pg_roles where rolname = %1$L) <> %4$L then alter role %1$I %2$s; end if;',
  rolname, case when rolcanlogin then 'login' else 'nologin' end, case when rolinherit then 'inherit' else 'noinherit' end,
  rolcanlogin), ' '))
from pg_roles
where rolname in ('todo_api', 'todo_auth') or oid = (select relowner from pg_class where oid = 'public.todos'::regclass)
  or (rolcanlogin and not rolsuper and pg_has_role(oid, 'todo_api', 'MEMBER'));

do $$
declare
  member record;
  setting text;
begin
  for member in
    select rolname as name, rolname <> 'todo_auth' as is_login,
      coalesce((select substr(s.setting, 14) from pg_db_role_setting, unnest(setconfig) as s (setting)
        where setrole = r.oid and setdatabase = (select oid from pg_database where datname = current_database())
          and s.setting like 'lock_timeout=%'), '1200ms') as lock_timeout
    from pg_roles r
    where rolname = 'todo_auth' or (rolcanlogin and not rolsuper and pg_has_role(oid, 'todo_api', 'MEMBER'))
  loop
    -- What a client sets when it connects, as the API does, does not reach the nodes.
    setting := format('alter role %I in database %I set lock_timeout = %L;', member.name, current_database(), member.lock_timeout);
    execute setting;
    -- The nodes learn the context from SET LOCAL statements, which other sessions of the same role must not read.
    perform pg_temp.run_on_nodes(setting ||
      format('alter role %I in database %I set track_activities = off;', member.name, current_database()));
    if member.is_login then
      perform pg_temp.run_on_nodes(format('grant todo_api to %I;', member.name));
      -- SET LOCAL app.context reaches the nodes only with this. Set for the role that logs in: members do not inherit it.
      execute format('alter role %I in database %I set citus.propagate_set_commands = ''local''', member.name, current_database());
    end if;
  end loop;
end
$$;

-- The context is sealed on the coordinator and verified on the nodes, where the process and the start of the transaction
-- are others. So the time of the seal is one of its fields, and takes their place: a seal opens transactions that start
-- within two minutes of it. Both functions are otherwise as in the migration of the context.
create or replace function identity.sealed_context(user_id uuid, credential_id uuid, logged_in_at timestamptz, scopes text[])
  returns text
  language plpgsql stable parallel restricted set search_path = pg_catalog, pg_temp
as $$
declare
  key record;
  fields constant text := concat_ws(' ', extract(epoch from now())::text, user_id, credential_id,
    coalesce(extract(epoch from logged_in_at)::text, '-'), array_to_string(scopes, ' '));
begin
  select k.id, k.inner_block, k.outer_block into key
  from identity.secret_keys k where k.purpose = 'context' order by k.id desc limit 1;
  if not found then return ''; end if;
  return concat_ws(' ', key.id, encode(identity.hmac(key.inner_block, key.outer_block, fields), 'hex'), fields);
end
$$;

create or replace function app.context(required_scope text default null) returns text[]
  language plpgsql stable parallel restricted security definer set search_path = pg_catalog, pg_temp
as $$
declare
  sealed constant text := coalesce(current_setting('app.context', true), '');
  key_id constant text := split_part(sealed, ' ', 1);
  seal constant text := split_part(sealed, ' ', 2);
  fields constant text := substr(sealed, length(key_id) + length(seal) + 3);
  parts constant text[] := string_to_array(fields, ' ');
  expected text;
  key record;
begin
  if sealed = '' then return null; end if;
  select k.inner_block, k.outer_block into key
  from identity.secret_keys k where k.purpose = 'context' and k.id::text = key_id;
  -- An error, because without the key on this node every list would be empty.
  if not found then
    raise exception 'This node does not have the key of app.context: run db/citus.sql.' using errcode = '55000';
  end if;
  expected := encode(identity.hmac(key.inner_block, key.outer_block, fields), 'hex');
  if sha256(key.inner_block || convert_to(seal, 'UTF8')) = sha256(key.inner_block || convert_to(expected, 'UTF8')) then
    if abs(extract(epoch from now()) - parts[1]::numeric) > 120 then
      raise exception 'app.context was sealed more than two minutes from now: check the clocks of the nodes.' using errcode = '55000';
    end if;
    if required_scope is null or required_scope = any (parts[5:]) then return parts[2:]; end if;
  end if;
  return null;
end
$$;

-- On the nodes: what policies and defaults call, and the key, in a table that is local to each node, because a function
-- in a policy must not query a distributed one.
select pg_temp.run_on_nodes(
  format('create schema if not exists app authorization %1$s; create schema if not exists identity authorization %1$s;
    grant usage on schema app, identity to todo_api, todo_auth;
    create table if not exists identity.secret_keys (
      purpose text, id integer, inner_block bytea not null, outer_block bytea not null, created_at timestamptz not null,
      constraint secret_keys_pkey primary key (purpose, id));
    alter table identity.secret_keys owner to %1$s;
    alter table identity.secret_keys enable row level security, force row level security;
    drop policy if exists secret_keys_select_auth on identity.secret_keys;
    create policy secret_keys_select_auth on identity.secret_keys for select to todo_auth using (true);
    grant select on identity.secret_keys to todo_auth;', c.relowner::regrole)
  || string_agg(format('execute %L; alter function %s owner to todo_auth;', pg_get_functiondef(f.oid), f.oid::regprocedure), ' '
    order by f.oid)
  || format('revoke temporary on database %I from public;', current_database())
  || 'revoke execute on all functions in schema app, identity from public;
    grant execute on function app.context(text), app.user_id(text), app.credential_id(), app.logged_in_at(), app.scopes(),
      app.has_scope(text), app.check_quota(text, bigint, bigint) to todo_api;')
from pg_class c, pg_proc f
where c.oid = 'public.todos'::regclass and f.oid in (
  'identity.hmac(bytea,bytea,text)'::regprocedure, 'app.context(text)'::regprocedure, 'app.user_id(text)'::regprocedure,
  'app.credential_id()'::regprocedure, 'app.logged_in_at()'::regprocedure, 'app.scopes()'::regprocedure,
  'app.has_scope(text)'::regprocedure, 'app.check_quota(text,bigint,bigint)'::regprocedure)
group by c.relowner;

select pg_temp.run_on_nodes('delete from identity.secret_keys; ' || string_agg(format(
  'insert into identity.secret_keys values (%L, %s, %L, %L, %L);', purpose, id, inner_block, outer_block, created_at), ' '))
from identity.secret_keys where purpose = 'context';

-- Every role may send any SQL to the nodes with these, outside of its transaction.
do $$
declare
  command text;
begin
  select coalesce(string_agg(format('revoke execute on function %s from public;', oid::regprocedure), ' '), '') into command
  from pg_proc where pronamespace = 'pg_catalog'::regnamespace and proname ~ '^(run_command_on_|master_run_on_worker$)';
  if command <> '' then
    execute command;
    perform pg_temp.run_on_nodes(command);
  end if;
end
$$;

reset citus.enable_ddl_propagation;

-- The tables: every table of the schema public whose primary key starts with user_id, together on one shard per user, so
-- that a write and its Idempotency-Key commit on one node. Accounts stay on the coordinator. Todos come first, and after
-- them the order of creation: a table may refer to an older one.
do $$
declare
  content record;
  item text;
begin
  -- Tables that refer to each other are created over one connection to each node.
  set local citus.multi_shard_modify_mode = 'sequential';
  for content in
    select t.oid::regclass as name, t.relname, t.oid in (select logicalrelid from pg_dist_partition) as is_distributed,
      (select string_agg(quote_ident(d.attname), ', ') from pg_attribute d
        where d.attrelid = t.oid and d.attnum > 0 and d.atthasdef and d.attgenerated = ''
          and not has_column_privilege('todo_api', t.oid, d.attnum, 'INSERT')) as defaults
    from pg_index i
    join pg_class t on t.oid = i.indrelid
    join pg_attribute a on a.attrelid = t.oid and a.attnum = i.indkey[0]
    where i.indisprimary and a.attname = 'user_id' and t.relnamespace = 'public'::regnamespace and not t.relispartition
    order by t.oid <> 'public.todos'::regclass, t.oid
  loop
    -- Citus names the columns with a default in each insert. The policies still refuse another user's id.
    if content.defaults is not null and has_any_column_privilege('todo_api', content.name, 'INSERT') then
      execute format('grant insert (%s) on %s to todo_api', content.defaults, content.name);
    end if;
    -- Without the foreign key to users, app.delete_content deletes the rows of an account.
    if not has_table_privilege('todo_auth', content.name, 'DELETE') then
      foreach item in array '{select,delete}'::text[] loop
        execute format('create policy %I on %s for %s to todo_auth using (user_id = app.user_id(''account''))',
          format('%s_%s_account', content.relname, item), content.name, item);
      end loop;
      execute format('grant select (user_id), delete on %s to todo_auth', content.name);
    end if;
    if content.is_distributed then continue; end if;
    for item in
      select conname from pg_constraint
      where contype = 'f' and conrelid = content.name and confrelid = 'public.users'::regclass
    loop
      execute format('alter table %s drop constraint %I', content.name, item);
    end loop;
    perform create_distributed_table(content.name, 'user_id',
      colocate_with => case when content.relname = 'todos' then 'default' else 'public.todos' end);
  end loop;
end
$$;

-- Rows from before are now in the shards, and still in the table on the coordinator, which no query reads any more.
do $$
declare
  name regclass;
begin
  for name in
    select logicalrelid from pg_dist_partition join pg_class on pg_class.oid = logicalrelid
    where relnamespace = 'public'::regnamespace and pg_relation_size(pg_class.oid) > 0
  loop
    perform truncate_local_data_after_distributing_a_table(name);
  end loop;
end
$$;

-- Citus may have created functions on the nodes for the tables: default privileges do not reach the nodes.
select pg_temp.run_on_nodes('revoke execute on all functions in schema app, identity from public;');
