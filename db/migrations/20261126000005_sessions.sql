-- migrate:up

create table identity.sessions (
  user_id uuid not null,
  id uuid not null,
  secret_hash bytea not null,
  scopes text[] not null,
  ip inet,
  user_agent text,
  created_at timestamptz not null default now(),
  last_used_at timestamptz not null default now(),
  expires_at timestamptz not null,
  constraint sessions_pkey primary key (user_id, id),
  constraint sessions_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
  constraint sessions_secret_hash_sha256 check (length(secret_hash) = 32),
  constraint sessions_scopes_known check (scopes <@ '{todos:read,todos:write,account}'),
  constraint sessions_user_agent_length check (char_length(user_agent) <= 512)
);

-- For the removal of expired sessions.
create index sessions_expires_at_idx on identity.sessions (expires_at);

alter table identity.sessions enable row level security;
alter table identity.sessions force row level security;

-- Without the scope account a credential sees, and ends, only itself: logging out needs that.
create policy sessions_select_own on identity.sessions for select to todo_api
  using (user_id = app.user_id('account') or (user_id = app.user_id() and id = app.credential_id()));
create policy sessions_delete_own on identity.sessions for delete to todo_api
  using (user_id = app.user_id('account') or (user_id = app.user_id() and id = app.credential_id()));
create policy sessions_select_auth on identity.sessions for select to todo_auth using (true);
create policy sessions_insert_auth on identity.sessions for insert to todo_auth with check (true);
create policy sessions_update_auth on identity.sessions for update to todo_auth using (true) with check (true);
create policy sessions_delete_auth on identity.sessions for delete to todo_auth using (true);

grant select (id, ip, user_agent, created_at, last_used_at, expires_at), delete on identity.sessions to todo_api;
grant select (user_id, id, secret_hash, scopes, created_at, last_used_at, expires_at),
      insert (user_id, id, secret_hash, scopes, ip, user_agent, expires_at),
      update (last_used_at, expires_at),
      delete
  on identity.sessions to todo_auth;

comment on table identity.sessions is 'One row per login. An access token works only while its session exists.';
comment on column identity.sessions.secret_hash is 'SHA-256 of the secret that every token of the session carries; the session''s id alone does not authenticate.';
comment on column identity.sessions.scopes is 'What the session''s tokens may do.';
comment on column identity.sessions.created_at is 'Time of the login.';
comment on column identity.sessions.last_used_at is 'To the minute.';
comment on column identity.sessions.expires_at is 'Postponed by each refresh.';
comment on policy sessions_select_own on identity.sessions is 'Users see their own sessions with the scope account, otherwise only the one in use.';
comment on policy sessions_delete_own on identity.sessions is 'Users end the sessions that they see.';
comment on policy sessions_select_auth on identity.sessions is 'app.authenticate looks up the session that a token names.';
comment on policy sessions_insert_auth on identity.sessions is 'app.login opens a session.';
comment on policy sessions_update_auth on identity.sessions is 'app.refresh and app.note_use write the times.';
comment on policy sessions_delete_auth on identity.sessions is 'app.refresh on reuse, app.change_account, and the removal of expired sessions.';

create table identity.refresh_tokens (
  user_id uuid not null,
  hash bytea not null,
  session_id uuid not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  spent_at timestamptz,
  successor_seed bytea,
  constraint refresh_tokens_pkey primary key (user_id, hash),
  constraint refresh_tokens_session_fkey foreign key (user_id, session_id)
    references identity.sessions (user_id, id) on delete cascade,
  constraint refresh_tokens_hash_sha256 check (length(hash) = 32),
  constraint refresh_tokens_spent_has_successor check ((spent_at is null) = (successor_seed is null))
);

-- For the end of a session, which cascades to its tokens, and for the removal of expired tokens.
create index refresh_tokens_session_idx on identity.refresh_tokens (user_id, session_id);
create index refresh_tokens_expires_at_idx on identity.refresh_tokens (expires_at);

alter table identity.refresh_tokens enable row level security;
alter table identity.refresh_tokens force row level security;

-- No policy and no grant for todo_api: a refresh token by itself does not log anyone in.
create policy refresh_tokens_select_auth on identity.refresh_tokens for select to todo_auth using (true);
create policy refresh_tokens_insert_auth on identity.refresh_tokens for insert to todo_auth with check (true);
create policy refresh_tokens_update_auth on identity.refresh_tokens for update to todo_auth
  using (spent_at is null) with check (spent_at is not null);
create policy refresh_tokens_delete_auth on identity.refresh_tokens for delete to todo_auth
  using (expires_at < now());

grant select (user_id, hash, session_id, expires_at, spent_at, successor_seed),
      insert (user_id, hash, session_id, expires_at),
      update (spent_at, successor_seed),
      delete
  on identity.refresh_tokens to todo_auth;

comment on table identity.refresh_tokens is 'The refresh tokens of a session, including spent ones: reusing a spent token ends the session.';
comment on column identity.refresh_tokens.hash is 'SHA-256 of the token''s secret.';
comment on column identity.refresh_tokens.successor_seed is
  'Random. The next token is derived from it and the spent token''s secret, which is not stored: a retry returns the same token, so a session has only one chain of tokens.';
comment on policy refresh_tokens_select_auth on identity.refresh_tokens is 'app.refresh looks up the token it is given.';
comment on policy refresh_tokens_insert_auth on identity.refresh_tokens is 'app.login and app.refresh add one.';
comment on policy refresh_tokens_update_auth on identity.refresh_tokens is 'A token is spent once and stays spent.';
comment on policy refresh_tokens_delete_auth on identity.refresh_tokens is 'Only expired tokens are removed while their session exists.';

-- migrate:down

drop table identity.refresh_tokens;
drop table identity.sessions;
