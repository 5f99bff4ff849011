-- migrate:up

-- A token that a personal token makes must not outlive it, neither in time nor in life. The two columns say who made
-- it. They are set by their defaults and by nothing else: no role may write them.
create function app.maker_id() returns uuid
  language sql stable
  return (select id from identity.access_tokens where id = app.credential_id());
comment on function app.maker_id() is 'The personal access token of this transaction; null for a session.';
create function app.maker_expires_at() returns timestamptz
  language sql stable
  return (select expires_at from identity.access_tokens where id = app.credential_id());
comment on function app.maker_expires_at() is 'When the personal access token of this transaction expires; null when it never does, and for a session.';
grant execute on function app.maker_id() to todo_api;
grant execute on function app.maker_expires_at() to todo_api;

alter table identity.access_tokens
  add column maker_id uuid,
  add column maker_expires_at timestamptz,
  -- With its maker it is deleted. The primary key finds a user's few tokens: no further index.
  add constraint access_tokens_maker_fkey foreign key (user_id, maker_id)
    references identity.access_tokens (user_id, id) on delete cascade,
  add constraint access_tokens_expires_with_maker
    check (maker_expires_at is null or (expires_at is not null and expires_at <= maker_expires_at));
-- Not when the columns are added: those that are there already were made by sessions, as far as is known.
alter table identity.access_tokens
  alter column maker_id set default app.maker_id(),
  alter column maker_expires_at set default app.maker_expires_at();

comment on column identity.access_tokens.maker_id is 'The personal token that made it, and whose end is its own; null when a session did.';
comment on column identity.access_tokens.maker_expires_at is 'When its maker expires: it expires no later.';

-- migrate:down

alter table identity.access_tokens drop column maker_id, drop column maker_expires_at;
drop function app.maker_expires_at();
drop function app.maker_id();
