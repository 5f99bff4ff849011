-- Spreads the database over the nodes of a Citus 13 cluster by user. By a superuser, on the coordinator, after the
-- migrations: psql --set ON_ERROR_STOP=1 --file db/citus.sql. It may be run again. docs/operations.md says what comes before.
--
-- A superuser, because what the tables hold already moves into their shards by reading it, and forced row-level
-- security shows nothing to anybody else: an owner would move nothing, and say that all went well.

-- Who may log in is on every node, so that the credential, and a foreign key to its user, are looked up where one is.
-- A table that refers to another comes after it.
select create_reference_table(name)
from unnest('{users, identity.credentials, identity.sessions, identity.refresh_tokens, identity.access_tokens,
              identity.events, identity.mails, identity.totp_seeds, identity.recovery_codes,
              identity.locked_users}'::regclass[]) as name
where name not in (select logicalrelid from pg_dist_partition);

-- What a user does is together on one shard, so that a write and its Idempotency-Key commit on one node.
select create_distributed_table('todos', 'user_id')
where 'todos'::regclass not in (select logicalrelid from pg_dist_partition);
-- Every other table of the public schema whose key starts with user_id, in the order in which they were created.
do $$
declare
  name regclass;
begin
  for name in
    select indrelid from pg_index join pg_class on pg_class.oid = indrelid
    join pg_attribute on attrelid = indrelid and attnum = indkey[0]
    where indisprimary and attname = 'user_id' and relnamespace = 'public'::regnamespace
      and indrelid not in (select logicalrelid from pg_dist_partition)
    order by indrelid
  loop
    perform create_distributed_table(name, 'user_id', colocate_with => 'todos');
  end loop;
end
$$;

-- SET LOCAL app.user_id, which app.authenticate does, reaches the shards' nodes only with this. Of the role that logs
-- in: a member does not inherit what is set for todo_api.
do $$
declare
  login name;
begin
  for login in
    select rolname from pg_roles where rolcanlogin and not rolsuper and pg_has_role(oid, 'todo_api', 'MEMBER')
  loop
    execute format('alter role %I in database %I set citus.propagate_set_commands = ''local''', login, current_database());
  end loop;
end
$$;

-- Within a definer function one node connects to another as the function's owner. It has no password: pg_hba.conf
-- must let it in from the nodes, by their certificate, and from nowhere else.
alter role todo_auth login;
