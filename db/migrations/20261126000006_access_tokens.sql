-- migrate:up

-- A token that a personal access token creates expires no later than its maker, and is deleted with it. The database
-- sets both columns by these defaults; no role may write them.
create function app.maker_id() returns uuid
  language plpgsql stable
as $$ begin return (select id from identity.access_tokens where id = app.credential_id()); end $$;
comment on function app.maker_id() is 'The personal access token of this transaction; null for a session.';

create function app.maker_expires_at() returns timestamptz
  language plpgsql stable
as $$ begin return (select expires_at from identity.access_tokens where id = app.credential_id()); end $$;
comment on function app.maker_expires_at() is 'When the personal access token of this transaction expires; null when it never does, and for a session.';
grant execute on function app.maker_id(), app.maker_expires_at() to todo_api;

create table identity.access_tokens (
  user_id uuid not null default app.user_id(),
  id uuid not null,
  name text not null,
  hash bytea not null,
  scopes text[] not null,
  created_at timestamptz not null default now(),
  last_used_at timestamptz,
  expires_at timestamptz,
  maker_id uuid default app.maker_id(),
  maker_expires_at timestamptz default app.maker_expires_at(),
  constraint access_tokens_pkey primary key (user_id, id),
  constraint access_tokens_hash_key unique (user_id, hash),
  constraint access_tokens_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
  -- The primary key finds a user's few tokens, so the cascade needs no index of its own.
  constraint access_tokens_maker_fkey foreign key (user_id, maker_id)
    references identity.access_tokens (user_id, id) on delete cascade,
  constraint access_tokens_expires_with_maker
    check (maker_expires_at is null or (expires_at is not null and expires_at <= maker_expires_at)),
  constraint access_tokens_name_length check (char_length(name) between 1 and 100),
  constraint access_tokens_hash_sha256 check (length(hash) = 32),
  constraint access_tokens_scopes_known check (scopes <@ '{todos:read,todos:write,account}' and cardinality(scopes) > 0),
  constraint access_tokens_expires_later check (expires_at > created_at)
);

-- For the removal of expired tokens.
create index access_tokens_expires_at_idx on identity.access_tokens (expires_at);

alter table identity.access_tokens enable row level security;
alter table identity.access_tokens force row level security;

-- Without the scope account a credential sees, and revokes, only itself: logging out needs that.
create policy access_tokens_select_own on identity.access_tokens for select to todo_api
  using (user_id = app.user_id('account') or (user_id = app.user_id() and id = app.credential_id()));
create policy access_tokens_insert_own on identity.access_tokens for insert to todo_api
  with check (user_id = app.user_id('account') and scopes <@ app.scopes());
create policy access_tokens_delete_own on identity.access_tokens for delete to todo_api
  using (user_id = app.user_id('account') or (user_id = app.user_id() and id = app.credential_id()));
create policy access_tokens_select_auth on identity.access_tokens for select to todo_auth using (true);
create policy access_tokens_update_auth on identity.access_tokens for update to todo_auth using (true) with check (true);
create policy access_tokens_delete_auth on identity.access_tokens for delete to todo_auth
  using (expires_at < now() - interval '30 days');

-- The hash can be written but never read. There is no update: a token's rights are fixed when it is created.
grant select (id, name, scopes, created_at, last_used_at, expires_at),
      insert (id, name, hash, scopes, expires_at),
      delete
  on identity.access_tokens to todo_api;
grant select (user_id, id, hash, scopes, last_used_at, expires_at), update (last_used_at), delete
  on identity.access_tokens to todo_auth;

comment on table identity.access_tokens is 'Personal access tokens, for scripts. A token is shown once, when it is created.';
comment on column identity.access_tokens.hash is 'SHA-256 of the token''s secret.';
comment on column identity.access_tokens.last_used_at is 'To the minute; null when it was never used.';
comment on column identity.access_tokens.expires_at is 'Null when the token never expires.';
comment on column identity.access_tokens.maker_id is 'The personal access token that created it; null when a session did.';
comment on column identity.access_tokens.maker_expires_at is 'When its maker expires.';
comment on policy access_tokens_select_own on identity.access_tokens is 'Users see their own tokens with the scope account, otherwise only the one in use.';
comment on policy access_tokens_insert_own on identity.access_tokens is 'With the scope account, users create tokens with at most the scopes of the credential in use.';
comment on policy access_tokens_delete_own on identity.access_tokens is 'Users revoke the tokens that they see.';
comment on policy access_tokens_select_auth on identity.access_tokens is 'app.authenticate looks up the token of a request.';
comment on policy access_tokens_update_auth on identity.access_tokens is 'app.note_use writes last_used_at.';
comment on policy access_tokens_delete_auth on identity.access_tokens is 'Tokens are removed 30 days after they expired, so that users can see why a script stopped working.';

-- migrate:down

drop table identity.access_tokens;
drop function app.maker_expires_at(), app.maker_id();
