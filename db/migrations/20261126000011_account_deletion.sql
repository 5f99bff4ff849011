-- migrate:up

-- A sharded table cannot refer to users, which is not sharded, so nothing cascades there: app.delete_content deletes
-- what a user has stored, on every database. A write that began before the deletion can commit after it; on a sharded
-- database its rows stay behind, and app.remove_orphans removes them.

create table identity.deleted_users (
  id uuid not null,
  deleted_at timestamptz not null default now(),
  constraint deleted_users_pkey primary key (id)
);

alter table identity.deleted_users enable row level security;
alter table identity.deleted_users force row level security;

create policy deleted_users_select_auth on identity.deleted_users for select to todo_auth
  using (deleted_at < now() - interval '1 hour');
create policy deleted_users_insert_auth on identity.deleted_users for insert to todo_auth
  with check (id = app.user_id('account'));
create policy deleted_users_delete_auth on identity.deleted_users for delete to todo_auth
  using (deleted_at < now() - interval '1 hour');

grant select (id, deleted_at), insert (id), delete on identity.deleted_users to todo_auth;

comment on table identity.deleted_users is 'The ids of accounts that were deleted within about an hour, for app.remove_orphans.';
comment on policy deleted_users_select_auth on identity.deleted_users is 'app.remove_orphans waits until every write that began before the deletion has ended.';
comment on policy deleted_users_insert_auth on identity.deleted_users is 'app.delete_content records the transaction''s user.';
comment on policy deleted_users_delete_auth on identity.deleted_users is 'app.remove_orphans forgets an account once nothing of it is left.';

-- DELETE reads user_id in its condition, so it needs a policy and a grant for SELECT too.
create policy todos_select_account on todos for select to todo_auth using (user_id = app.user_id('account'));
create policy todos_delete_account on todos for delete to todo_auth using (user_id = app.user_id('account'));
grant select (user_id), delete on todos to todo_auth;
comment on policy todos_select_account on todos is 'app.delete_content finds the todos of the transaction''s user.';
comment on policy todos_delete_account on todos is 'app.delete_content deletes the todos of the transaction''s user.';

create policy idempotency_keys_select_account on idempotency_keys for select to todo_auth
  using (user_id = app.user_id('account'));
create policy idempotency_keys_delete_account on idempotency_keys for delete to todo_auth
  using (user_id = app.user_id('account'));
comment on policy idempotency_keys_select_account on idempotency_keys is 'app.delete_content finds the keys of the transaction''s user.';
comment on policy idempotency_keys_delete_account on idempotency_keys is 'app.delete_content deletes the keys of the transaction''s user.';

-- PostgreSQL 15 has no membership without inheritance: see the migration of the roles.
do $$
begin
  if current_setting('server_version_num')::integer < 160000 then
    execute format('grant todo_auth to %I', current_user);
  end if;
end
$$;
grant create on schema app, identity to todo_auth;
set local role todo_auth;

create function identity.delete_rows(owner uuid) returns integer
  language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  name regclass;
  deleted integer;
  total integer := 0;
begin
  -- Newer tables may refer to older ones, so they come first. A table that gives todo_auth no DELETE is left to its
  -- foreign key; db/citus.sql gives it for every table that it distributes.
  for name in
    select i.indrelid from pg_index i
    join pg_class c on c.oid = i.indrelid
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
    where i.indisprimary and a.attname = 'user_id' and c.relnamespace = 'public'::regnamespace
      and not c.relispartition and has_table_privilege(i.indrelid, 'DELETE')
    order by i.indrelid desc
  loop
    execute format('delete from %s where user_id = $1', name) using owner;
    get diagnostics deleted = row_count;
    total := total + deleted;
  end loop;
  return total;
end
$$;
comment on function identity.delete_rows(uuid) is 'Deletes a user''s rows in every table of the schema public whose primary key starts with user_id, and returns how many. The policies allow it for the transaction''s user only.';

create function app.delete_content() returns void
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  owner constant uuid := app.user_id('account');
begin
  -- The condition of users_delete_own: no content is deleted when the account is not.
  if owner is null or (app.logged_in_at() > now() - interval '10 minutes') is not true then return; end if;
  insert into identity.deleted_users (id) values (owner) on conflict do nothing;
  perform identity.delete_rows(owner);
end
$$;
comment on function app.delete_content() is 'Deletes all that the transaction''s user has stored, before the account is deleted in the same transaction; nothing unless the login is less than ten minutes old.';

create function identity.set_context(context text) returns void
  language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$ begin execute format('set local app.context = %L', context); end $$;
comment on function identity.set_context(text) is 'Sets app.context for the rest of the transaction.';

create function app.remove_orphans(batch integer) returns integer
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  own_context constant text := coalesce(current_setting('app.context', true), '');
  gone uuid;
  removed integer := 0;
begin
  -- A limit that no caller can raise, as in app.remove_expired.
  for gone in
    select d.id from identity.deleted_users d
    where d.deleted_at < now() - interval '1 hour'
    order by d.deleted_at limit least(batch, 100)
  loop
    -- app.delete_content may have been called without deleting the account.
    if not exists (select from public.users u where u.id = gone) then
      -- The policies let todo_auth delete the rows of the transaction's user only.
      -- By PERFORM of a function: outside a transaction block, Citus passes a SET LOCAL on to its nodes only from within
      -- a query of a function.
      perform identity.set_context(identity.sealed_context(gone, gone, null, '{account}'));
      removed := removed + identity.delete_rows(gone);
    end if;
    delete from identity.deleted_users d where d.id = gone;
    removed := removed + 1;
  end loop;
  perform identity.set_context(own_context);
  return removed;
end
$$;
comment on function app.remove_orphans(integer) is 'Removes what writes left behind that committed after their account was deleted, for at most that many accounts and never more than 100, an hour after the deletion. Returns the number of removed rows, the record of the account among them.';

grant execute on function app.delete_content(), app.remove_orphans(integer) to todo_api;
reset role;
revoke create on schema app, identity from todo_auth;
do $$
begin
  if current_setting('server_version_num')::integer < 160000 then
    execute format('revoke todo_auth from %I', current_user);
  end if;
end
$$;

-- migrate:down

do $$
begin
  if current_setting('server_version_num')::integer < 160000 then
    execute format('grant todo_auth to %I', current_user);
  end if;
end
$$;
set local role todo_auth;
drop function app.remove_orphans(integer), identity.set_context(text), app.delete_content(), identity.delete_rows(uuid);
reset role;
do $$
begin
  if current_setting('server_version_num')::integer < 160000 then
    execute format('revoke todo_auth from %I', current_user);
  end if;
end
$$;
drop policy idempotency_keys_delete_account on idempotency_keys;
drop policy idempotency_keys_select_account on idempotency_keys;
revoke select (user_id), delete on todos from todo_auth;
drop policy todos_delete_account on todos;
drop policy todos_select_account on todos;
drop table identity.deleted_users;
