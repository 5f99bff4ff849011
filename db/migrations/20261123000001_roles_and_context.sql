-- migrate:up

-- Roles are cluster-wide: another database of the same cluster may have made them already.
-- Neither can log in and neither has a password; the operator's login role becomes a member of todo_api.
do $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'todo_api') then
    create role todo_api nologin noinherit nosuperuser nobypassrls nocreatedb nocreaterole;
    comment on role todo_api is 'All that the API may do. The role that the API logs in with is a member of it.';
  end if;
  if not exists (select from pg_catalog.pg_roles where rolname = 'todo_auth') then
    create role todo_auth nologin noinherit nosuperuser nobypassrls nocreatedb nocreaterole;
    comment on role todo_auth is 'Owns the security definer functions, and may read only what its own policies name.';
  end if;
  -- To hand functions to todo_auth the migrating owner must be able to become it.
  -- Asked for only when it is not so already: an owner without ADMIN on the role could not grant it.
  if not pg_catalog.pg_has_role(current_user, 'todo_auth', 'MEMBER') or
     (current_setting('server_version_num')::integer >= 160000
      and not pg_catalog.pg_has_role(current_user, 'todo_auth', 'SET')) then
    execute format('grant todo_auth to %I', current_user);
  end if;
end
$$;

create schema app;
comment on schema app is 'Who is asking: the functions that policies, and the API, call.';
grant usage on schema app to todo_api, todo_auth;

create schema identity;
comment on schema identity is 'Passwords and sessions. The API''s role reads none of it except through the functions of schema app.';
grant usage on schema identity to todo_auth;

-- Nothing made by this owner is executable by just anybody, now or later.
alter default privileges revoke execute on functions from public;

-- STABLE and plain SQL, so that the planner puts it into the index condition and calls it once, not per row.
-- After a commit a custom setting is '' and not null, hence nullif.
create function app.user_id() returns uuid
  language sql stable parallel safe
  return nullif(current_setting('app.user_id', true), '')::uuid;
comment on function app.user_id() is 'The user of this transaction, as app.authenticate set it; null when there is none.';
grant execute on function app.user_id() to todo_api;

create function app.has_scope(scope text) returns boolean
  language sql stable parallel safe
  return coalesce(scope = any (string_to_array(current_setting('app.scopes', true), ' ')), false);
comment on function app.has_scope(text) is 'Whether the credential of this transaction carries the scope.';
grant execute on function app.has_scope(text) to todo_api;

-- dbmate's own table keeps the same law as every other. The owner is named in its policies
-- because FORCE holds for the owner too, and dbmate must go on writing.
alter table schema_migrations enable row level security;
alter table schema_migrations force row level security;
create policy schema_migrations_select_owner on schema_migrations for select to current_user using (true);
create policy schema_migrations_insert_owner on schema_migrations for insert to current_user with check (true);
create policy schema_migrations_delete_owner on schema_migrations for delete to current_user using (true);
create policy schema_migrations_select_auth on schema_migrations for select to todo_auth using (true);
grant select (version) on schema_migrations to todo_auth;
comment on table schema_migrations is 'The migrations that have been applied; written by dbmate.';

create function app.schema_version() returns text
  language sql stable security definer set search_path = ''
  return (select max(version) from public.schema_migrations);
comment on function app.schema_version() is 'The newest applied migration: the API is ready only when it is the one it was built for.';
grant create on schema app to todo_auth;
alter function app.schema_version() owner to todo_auth;
revoke create on schema app from todo_auth;
grant execute on function app.schema_version() to todo_api;

-- migrate:down

drop schema identity;
drop schema app cascade;
drop policy schema_migrations_select_owner on schema_migrations;
drop policy schema_migrations_insert_owner on schema_migrations;
drop policy schema_migrations_delete_owner on schema_migrations;
drop policy schema_migrations_select_auth on schema_migrations;
alter table schema_migrations no force row level security;
alter table schema_migrations disable row level security;
revoke select (version) on schema_migrations from todo_auth;
comment on table schema_migrations is null;
alter default privileges grant execute on functions to public;
-- The roles stay: they belong to the cluster, and another database may be using them.
