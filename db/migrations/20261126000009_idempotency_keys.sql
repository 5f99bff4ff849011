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

-- For the removal of expired keys.
create index idempotency_keys_expires_at_idx on idempotency_keys (expires_at);

alter table idempotency_keys enable row level security;
alter table idempotency_keys force row level security;

create policy idempotency_keys_select_own on idempotency_keys for select to todo_api
  using (user_id = app.user_id());
create policy idempotency_keys_insert_own on idempotency_keys for insert to todo_api
  with check (user_id = app.user_id('todos:write'));
create policy idempotency_keys_update_own on idempotency_keys for update to todo_api
  using (user_id = app.user_id('todos:write'))
  with check (user_id = app.user_id('todos:write'));
create policy idempotency_keys_select_auth on idempotency_keys for select to todo_auth using (expires_at < now());
create policy idempotency_keys_delete_auth on idempotency_keys for delete to todo_auth using (expires_at < now());

grant select (user_id, key, fingerprint, result, expires_at),
      insert (key, fingerprint, result),
      update (fingerprint, result, expires_at)
  on idempotency_keys to todo_api;
grant select (user_id, key, expires_at), delete on idempotency_keys to todo_auth;

comment on table idempotency_keys is 'The result of each write with an Idempotency-Key. Written in the transaction of the write, so that a retry finds both or neither.';
comment on column idempotency_keys.fingerprint is 'SHA-256 of method, path and body: another request with the same key is rejected.';
comment on column idempotency_keys.result is 'The rows that the write returned; a retry gets the same response.';
comment on policy idempotency_keys_select_own on idempotency_keys is 'Keys are per user: two users may use the same key.';
comment on policy idempotency_keys_insert_own on idempotency_keys is 'A write stores its result under its key, with the scope of the write.';
comment on policy idempotency_keys_update_own on idempotency_keys is 'A write may take over an expired key.';
comment on policy idempotency_keys_select_auth on idempotency_keys is 'The removal finds expired keys; no function reads others.';
comment on policy idempotency_keys_delete_auth on idempotency_keys is 'Keys are removed after a day.';

-- migrate:down

drop table idempotency_keys;
