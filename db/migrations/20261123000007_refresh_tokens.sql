-- migrate:up

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

-- For the end of a session, which cascades to its tokens, and for the removal of what has expired.
create index refresh_tokens_session_idx on identity.refresh_tokens (user_id, session_id);
create index refresh_tokens_expires_at_idx on identity.refresh_tokens (expires_at);

alter table identity.refresh_tokens enable row level security;
alter table identity.refresh_tokens force row level security;

-- No policy and no grant for todo_api: whoever holds a refresh token is not logged in by it yet.
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

comment on table identity.refresh_tokens is 'The refresh tokens of a session, spent ones too: one that is used again ends the session.';
comment on column identity.refresh_tokens.hash is 'SHA-256 of the token''s secret.';
comment on column identity.refresh_tokens.successor_seed is
  'Random. With the spent token''s secret, which is not kept, it gives the next one: so a retry is answered with the same token, and there is never more than one line of them to watch.';
comment on policy refresh_tokens_select_auth on identity.refresh_tokens is 'app.refresh looks up the one token it is given.';
comment on policy refresh_tokens_insert_auth on identity.refresh_tokens is 'app.login and app.refresh add one.';
comment on policy refresh_tokens_update_auth on identity.refresh_tokens is 'A token is spent once, and never becomes good again.';
comment on policy refresh_tokens_delete_auth on identity.refresh_tokens is 'Only expired ones are removed while their session lives.';

-- migrate:down

drop table identity.refresh_tokens;
