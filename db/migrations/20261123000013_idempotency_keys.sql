-- migrate:up

create table idempotency_keys (
  user_id uuid not null default app.user_id(),
  key text not null,
  fingerprint bytea not null,
  result jsonb,
  expires_at timestamptz not null default now() + interval '24 hours',
  constraint idempotency_keys_pkey primary key (user_id, key),
  constraint idempotency_keys_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
  constraint idempotency_keys_key_length check (char_length(key) between 1 and 255),
  constraint idempotency_keys_fingerprint_sha256 check (length(fingerprint) = 32)
);

create index idempotency_keys_expires_at_idx on idempotency_keys (expires_at);

alter table idempotency_keys enable row level security;
alter table idempotency_keys force row level security;

create policy idempotency_keys_select_own on idempotency_keys for select to todo_api
  using (user_id = app.user_id());
create policy idempotency_keys_insert_own on idempotency_keys for insert to todo_api
  with check (user_id = app.user_id() and app.has_scope('todos:write'));
create policy idempotency_keys_update_own on idempotency_keys for update to todo_api
  using (user_id = app.user_id() and app.has_scope('todos:write'))
  with check (user_id = app.user_id() and app.has_scope('todos:write'));
create policy idempotency_keys_select_auth on idempotency_keys for select to todo_auth using (expires_at < now());
create policy idempotency_keys_delete_auth on idempotency_keys for delete to todo_auth using (expires_at < now());

grant select (user_id, key, fingerprint, result, expires_at),
      insert (key, fingerprint),
      update (fingerprint, result, expires_at)
  on idempotency_keys to todo_api;
grant select (user_id, key, expires_at), delete on idempotency_keys to todo_auth;

comment on table idempotency_keys is 'What a write with an Idempotency-Key did. Written in the transaction of the write, so that a retry finds both or neither.';
comment on column idempotency_keys.fingerprint is 'SHA-256 of method, path and body: another request under the same key is refused.';
comment on column idempotency_keys.result is 'What the write returned; a retry is answered with it.';
comment on policy idempotency_keys_select_own on idempotency_keys is 'A key means something to its user alone: the same key of another user is another key.';
comment on policy idempotency_keys_insert_own on idempotency_keys is 'A write claims its key, with the scope of the write.';
comment on policy idempotency_keys_update_own on idempotency_keys is 'A write keeps its result under its key, and may claim one that has expired.';
comment on policy idempotency_keys_select_auth on idempotency_keys is 'The removal finds expired keys, and no function reads others.';
comment on policy idempotency_keys_delete_auth on idempotency_keys is 'Keys are removed after a day.';

create or replace function app.remove_expired(batch integer) returns integer
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
  ), forgotten as (
    delete from public.idempotency_keys where (user_id, key) in
      (select user_id, key from public.idempotency_keys where expires_at < now() order by expires_at limit batch)
    returning 1
  )
  select count(*) into removed
  from (table ended union all table spent union all table expired union all table old union all table forgotten) as gone;
  return removed;
end
$$;

-- migrate:down

create or replace function app.remove_expired(batch integer) returns integer
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
drop table idempotency_keys;
