-- migrate:up

create function app.scopes() returns text[]
  language sql stable parallel safe
  return string_to_array(coalesce(current_setting('app.scopes', true), ''), ' ');
comment on function app.scopes() is 'What the credential of this transaction may do.';
grant execute on function app.scopes() to todo_api;

create table identity.access_tokens (
  user_id uuid not null default app.user_id(),
  id uuid not null,
  name text not null,
  hash bytea not null,
  scopes text[] not null,
  created_at timestamptz not null default now(),
  last_used_at timestamptz,
  expires_at timestamptz,
  constraint access_tokens_pkey primary key (user_id, id),
  constraint access_tokens_hash_key unique (user_id, hash),
  constraint access_tokens_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
  constraint access_tokens_name_length check (char_length(name) between 1 and 100),
  constraint access_tokens_hash_sha256 check (length(hash) = 32),
  constraint access_tokens_scopes_known check (scopes <@ '{todos:read,todos:write,account}' and cardinality(scopes) > 0),
  constraint access_tokens_expires_later check (expires_at > created_at)
);

create index access_tokens_expires_at_idx on identity.access_tokens (expires_at);

alter table identity.access_tokens enable row level security;
alter table identity.access_tokens force row level security;

-- A credential without the scope account sees, and ends, itself alone: that is what logging out needs.
create policy access_tokens_select_own on identity.access_tokens for select to todo_api
  using (user_id = app.user_id() and (id = app.credential_id() or app.has_scope('account')));
create policy access_tokens_insert_own on identity.access_tokens for insert to todo_api
  with check (user_id = app.user_id() and app.has_scope('account') and scopes <@ app.scopes());
create policy access_tokens_delete_own on identity.access_tokens for delete to todo_api
  using (user_id = app.user_id() and (id = app.credential_id() or app.has_scope('account')));
create policy access_tokens_select_auth on identity.access_tokens for select to todo_auth using (true);
create policy access_tokens_update_auth on identity.access_tokens for update to todo_auth using (true) with check (true);
create policy access_tokens_delete_auth on identity.access_tokens for delete to todo_auth
  using (expires_at < now() - interval '30 days');

-- The hash can be written and never read. No update: what a token may do is settled when it is made.
grant select (id, name, scopes, created_at, last_used_at, expires_at),
      insert (id, name, hash, scopes, expires_at),
      delete
  on identity.access_tokens to todo_api;
grant select (user_id, id, hash, scopes, last_used_at, expires_at), update (last_used_at), delete
  on identity.access_tokens to todo_auth;

comment on table identity.access_tokens is 'Personal access tokens, for scripts. Each is shown once, when it is made.';
comment on column identity.access_tokens.hash is 'SHA-256 of the token''s secret.';
comment on column identity.access_tokens.last_used_at is 'To the minute; null when it never was.';
comment on column identity.access_tokens.expires_at is 'Null when it never expires.';
comment on policy access_tokens_select_own on identity.access_tokens is 'A user sees their own tokens with the scope account, and without it the one they use.';
comment on policy access_tokens_insert_own on identity.access_tokens is 'A user makes tokens, with the scope account, that may do no more than the credential that makes them.';
comment on policy access_tokens_delete_own on identity.access_tokens is 'A user revokes the tokens that they see.';
comment on policy access_tokens_select_auth on identity.access_tokens is 'app.authenticate looks up the one token of a request.';
comment on policy access_tokens_update_auth on identity.access_tokens is 'app.note_use writes last_used_at.';
comment on policy access_tokens_delete_auth on identity.access_tokens is 'Removed 30 days after they expired, so that their user can see why something stopped.';

-- From here on the credential is a session, named by a JWT, or a personal access token.
drop function app.authenticate(uuid, uuid);

-- plpgsql, because only there can SET LOCAL take a value. SET LOCAL rather than set_config():
-- it ends with the transaction whatever pooler stands between, and it also reaches a Citus worker.
create function app.authenticate(
    claimed_user uuid, claimed_session uuid, claimed_token_hash bytea, out scopes text[], out stale boolean)
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  credential uuid;
begin
  if claimed_token_hash is null then
    select s.id, s.scopes, s.last_used_at < now() - interval '1 minute' into credential, scopes, stale
    from identity.sessions s
    where s.user_id = claimed_user and s.id = claimed_session and s.expires_at > now();
  else
    select t.id, t.scopes, coalesce(t.last_used_at < now() - interval '1 minute', true) into credential, scopes, stale
    from identity.access_tokens t
    where t.user_id = claimed_user and t.hash = claimed_token_hash and (t.expires_at is null or t.expires_at > now());
  end if;

  -- Fail closed: without a live credential even a value that something left on the connection is taken away.
  execute format('set local app.user_id = %L', case when credential is null then '' else claimed_user::text end);
  execute format('set local app.credential_id = %L', coalesce(credential::text, ''));
  execute format('set local app.scopes = %L', coalesce(array_to_string(scopes, ' '), ''));
end
$$;
comment on function app.authenticate(uuid, uuid, bytea) is
  'Makes the credential''s user the user of this transaction. Returns its scopes (null, and nobody, when it is not alive) and whether its use should be noted.';

create function app.note_use(claimed_user uuid, claimed_session uuid, claimed_token_hash bytea) returns void
  language sql volatile security definer set search_path = ''
begin atomic
  update identity.sessions set last_used_at = now()
  where claimed_token_hash is null and user_id = claimed_user and id = claimed_session
    and last_used_at < now() - interval '1 minute';
  update identity.access_tokens set last_used_at = now()
  where user_id = claimed_user and hash = claimed_token_hash
    and coalesce(last_used_at < now() - interval '1 minute', true);
end;
comment on function app.note_use(uuid, uuid, bytea) is
  'Writes last_used_at, at most once a minute; apart from the request, which may be read only and must not wait.';

grant create on schema app to todo_auth;
alter function app.authenticate(uuid, uuid, bytea) owner to todo_auth;
alter function app.note_use(uuid, uuid, bytea) owner to todo_auth;
revoke create on schema app from todo_auth;
grant execute on function app.authenticate(uuid, uuid, bytea) to todo_api;
grant execute on function app.note_use(uuid, uuid, bytea) to todo_api;

-- migrate:down

drop function app.note_use(uuid, uuid, bytea);
drop function app.authenticate(uuid, uuid, bytea);
drop table identity.access_tokens;
drop function app.scopes();

create function app.authenticate(claimed_user uuid, claimed_session uuid) returns text[]
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  granted text[];
begin
  select s.scopes into granted
  from identity.sessions s
  where s.user_id = claimed_user and s.id = claimed_session and s.expires_at > now();

  -- Fail closed: without a live session even a value that something left on the connection is taken away.
  execute format('set local app.user_id = %L', case when granted is null then '' else claimed_user::text end);
  execute format('set local app.scopes = %L', coalesce(array_to_string(granted, ' '), ''));
  return granted;
end
$$;
comment on function app.authenticate(uuid, uuid) is
  'Makes the session''s user the user of this transaction and returns its scopes; null, and nobody, when the session is not alive.';
grant create on schema app to todo_auth;
alter function app.authenticate(uuid, uuid) owner to todo_auth;
revoke create on schema app from todo_auth;
grant execute on function app.authenticate(uuid, uuid) to todo_api;
