-- migrate:up

-- Roles belong to the whole server: another database on it may have created them already.
-- Neither can log in and neither has a password; the operator's login role becomes a member of todo_api.
do $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'todo_api') then
    create role todo_api nologin noinherit nosuperuser nobypassrls nocreatedb nocreaterole;
    comment on role todo_api is 'Everything the API may do. The role that the API logs in with is a member.';
  end if;
  if not exists (select from pg_catalog.pg_roles where rolname = 'todo_auth') then
    create role todo_auth nologin noinherit nosuperuser nobypassrls nocreatedb nocreaterole;
    comment on role todo_auth is 'Owns the security definer functions. What it may read is given by named policies.';
  end if;

  -- The migrating owner must be a member of todo_auth to create functions that todo_auth owns, but must not inherit:
  -- the policies of todo_auth would then show it all users' rows. PostgreSQL 15 knows no membership without
  -- inheritance, so there the last migration revokes it.
  if current_setting('server_version_num')::integer >= 160000 then
    if not pg_catalog.pg_has_role(current_user, 'todo_auth', 'SET') then
      execute format('grant todo_auth to %I with inherit false', current_user);
    end if;
  elsif not pg_catalog.pg_has_role(current_user, 'todo_auth', 'MEMBER') then
    execute format('grant todo_auth to %I', current_user);
  end if;

  -- PostgreSQL lets every role create temporary objects, which can hide the types and tables that a function uses.
  execute format('revoke temporary on database %I from public', current_database());
end
$$;
revoke create on schema public from public;

-- No function, now or later, can be executed by everyone.
alter default privileges revoke execute on functions from public;
set local role todo_auth;
alter default privileges revoke execute on functions from public;
reset role;

create schema app;
comment on schema app is 'The functions that policies and the API call.';
grant usage on schema app to todo_api, todo_auth;

create schema identity;
comment on schema identity is 'Passwords, sessions and tokens. The API''s role cannot read a hash of any of them.';
grant usage on schema identity to todo_api, todo_auth;

-- dbmate's own table follows the same rules as every other. FORCE binds the owner too, and dbmate must go on writing,
-- so its policies name the owner.
alter table schema_migrations enable row level security;
alter table schema_migrations force row level security;
create policy schema_migrations_select_owner on schema_migrations for select to current_user using (true);
create policy schema_migrations_insert_owner on schema_migrations for insert to current_user with check (true);
create policy schema_migrations_delete_owner on schema_migrations for delete to current_user using (true);
create policy schema_migrations_select_auth on schema_migrations for select to todo_auth using (true);
grant select (version) on schema_migrations to todo_auth;
comment on table schema_migrations is 'The migrations that have been applied. Written by dbmate.';

-- migrate:down

revoke select (version) on schema_migrations from todo_auth;
drop policy schema_migrations_select_auth on schema_migrations;
drop policy schema_migrations_delete_owner on schema_migrations;
drop policy schema_migrations_insert_owner on schema_migrations;
drop policy schema_migrations_select_owner on schema_migrations;
alter table schema_migrations no force row level security;
alter table schema_migrations disable row level security;
comment on table schema_migrations is null;
drop schema identity;
drop schema app;
alter default privileges grant execute on functions to public;
set local role todo_auth;
alter default privileges grant execute on functions to public;
reset role;
-- The roles stay: another database on the server may be using them.
