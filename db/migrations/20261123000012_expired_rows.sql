-- migrate:up

create function app.remove_expired(batch integer) returns integer
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  removed integer;
begin
  -- Every replica may call this at any time: one at a time works, the others have nothing to do.
  if not pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtext('app.remove_expired')) then return 0; end if;

  with ended as (
    delete from identity.sessions where (user_id, id) in
      (select user_id, id from identity.sessions where expires_at < now() order by expires_at limit batch)
    returning 1
  ), spent as (
    delete from identity.refresh_tokens where (user_id, hash) in
      (select user_id, hash from identity.refresh_tokens where expires_at < now() order by expires_at limit batch)
    returning 1
  ), expired as (
    delete from identity.access_tokens where (user_id, id) in
      (select user_id, id from identity.access_tokens where expires_at < now() - interval '30 days' order by expires_at limit batch)
    returning 1
  ), old as (
    delete from identity.events where (user_id, id) in
      (select user_id, id from identity.events where created_at < now() - interval '1 year' order by created_at limit batch)
    returning 1
  )
  select count(*) into removed from (table ended union all table spent union all table expired union all table old) as gone;
  return removed;
end
$$;
comment on function app.remove_expired(integer) is
  'Removes, of each kind, at most that many rows that nobody needs any more, and returns how many they were.';

grant create on schema app to todo_auth;
alter function app.remove_expired(integer) owner to todo_auth;
revoke create on schema app from todo_auth;
grant execute on function app.remove_expired(integer) to todo_api;

-- migrate:down

drop function app.remove_expired(integer);
