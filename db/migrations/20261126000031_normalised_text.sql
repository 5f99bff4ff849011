-- migrate:up

-- Emails are compared without regard to case and to how letters are composed. PostgreSQL folds letters beyond ASCII by
-- the server's locale, so the API folds them. A generated column, because the owner sees no row to update; every email
-- of version 1.0 is ASCII.
alter table users add column email_folded text collate "C" generated always as (lower(email collate "C")) stored;
alter table users alter column email_folded drop expression;
alter table users alter column email_folded set not null;
alter table users add constraint users_email_folded_ascii
  check (email_folded = lower(email collate "C") or email collate "C" ~ '[^\u0001-\u007f]');
drop index users_email_key;
alter table users add constraint users_email_key unique (email_folded);
grant select (email_folded) on users to todo_api;
grant select (email_folded), insert (email_folded), update (email_folded) on users to todo_auth;
comment on column users.email is 'As it was typed.';
comment on column users.email_folded is 'What emails are compared by: see src/email.ts. The constraint holds it to the email where that is ASCII.';

-- Version 1.0 hashed a password as it was sent; now it is normalised first. So two hashes can be right for one password.
drop function app.login(text, text, uuid, integer, text[], bytea, uuid, inet, text);
drop function app.change_account(text, text, text, uuid[], inet, text);
drop function app.rehash(text, text);
drop function app.register(uuid, text, text);
drop function app.password_salt(text);

create function app.login(
    login_email_folded text, login_password_hashes text[],
    session_id uuid, session_seconds integer, session_scopes text[], refresh_hash bytea,
    event_id uuid, client_ip inet, client_user_agent text)
  returns uuid
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  known record;
  expiry constant timestamptz := now() + make_interval(secs => session_seconds);
begin
  -- Shared, so that a password change, which ends the other sessions, cannot slip between look and insert.
  select u.id, c.password_hash = any (login_password_hashes) as matches into known
  from public.users u join identity.credentials c on c.user_id = u.id
  where u.email_folded = login_email_folded
  for share of c;
  if not found then return null; end if;

  insert into identity.events (user_id, id, kind, subject_id, ip, user_agent)
  values (known.id, event_id, case when known.matches then 'login' else 'login_failed' end,
          case when known.matches then session_id end, client_ip, client_user_agent);
  if not known.matches then return null; end if;

  insert into identity.sessions (user_id, id, scopes, ip, user_agent, expires_at)
  values (known.id, session_id, session_scopes, client_ip, client_user_agent, expiry);
  insert into identity.refresh_tokens (user_id, hash, session_id, expires_at)
  values (known.id, refresh_hash, session_id, expiry);
  return known.id;
end
$$;
comment on function app.login(text, text[], uuid, integer, text[], bytea, uuid, inet, text) is
  'Opens a session with its first refresh token when one of the hashes is that of the user''s password, and returns the user; null when email or password is wrong.';

create function app.change_account(
    current_password_hashes text[], new_email text, new_email_folded text, new_password_hash text,
    event_ids uuid[], client_ip inet, client_user_agent text)
  returns table (id uuid, email text, created_at timestamptz)
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
  -- Locked, so that no login with the old password opens a session that outlives it.
  perform from identity.credentials c
  where c.user_id = app.user_id() and c.password_hash = any (current_password_hashes) and app.has_scope('account')
  for update;
  if not found then return; end if;

  if new_email is not null then
    update public.users u set email = new_email, email_folded = new_email_folded where u.id = app.user_id();
    insert into identity.events (user_id, id, kind, ip, user_agent)
    values (app.user_id(), event_ids[1], 'email_changed', client_ip, client_user_agent);
  end if;
  if new_password_hash is not null then
    update identity.credentials c set password_hash = new_password_hash where c.user_id = app.user_id();
    delete from identity.sessions s where s.user_id = app.user_id() and s.id is distinct from app.credential_id();
    insert into identity.events (user_id, id, kind, ip, user_agent)
    values (app.user_id(), event_ids[2], 'password_changed', client_ip, client_user_agent);
  end if;
  return query select u.id, u.email, u.created_at from public.users u where u.id = app.user_id();
end
$$;
comment on function app.change_account(text[], text, text, text, uuid[], inet, text) is
  'Changes email, password or both of the user of this transaction, who must know the current password: no row when none of the hashes is theirs. A new password ends every other session.';

create function app.rehash(old_password_hashes text[], new_password_hash text) returns void
  language sql volatile security definer set search_path = pg_catalog, pg_temp
begin atomic
  update identity.credentials set password_hash = new_password_hash
  where user_id = app.user_id() and password_hash = any (old_password_hashes);
end;
comment on function app.rehash(text[], text) is
  'Replaces an outdated hash of the same password, for the user of this transaction.';

create function app.register(new_id uuid, new_email text, new_email_folded text, new_password_hash text)
  returns table (id uuid, email text, created_at timestamptz)
  language sql volatile security definer set search_path = pg_catalog, pg_temp
begin atomic
  with added as (
    insert into public.users (id, email, email_folded) values (new_id, new_email, new_email_folded)
    returning users.id, users.email, users.created_at
  ), secured as (
    insert into identity.credentials (user_id, password_hash) values (new_id, new_password_hash)
  )
  select added.id, added.email, added.created_at from added;
end;
comment on function app.register(uuid, text, text, text) is 'Adds a user with a password; users_email_key is violated when the email is taken.';

-- The salt and not the hash: the API computes the hash from the password, and the database compares. So a stolen API
-- role still cannot read password hashes.
create function app.password_salt(login_email_folded text) returns text
  language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select left(c.password_hash, 29)
  from public.users u join identity.credentials c on c.user_id = u.id
  where u.email_folded = login_email_folded;
end;
comment on function app.password_salt(text) is 'Version, cost and salt (29 characters) of the bcrypt hash of this email''s user; null when there is none.';

-- Granted while this role owns them.
grant execute on function app.login(text, text[], uuid, integer, text[], bytea, uuid, inet, text) to todo_api;
grant execute on function app.change_account(text[], text, text, text, uuid[], inet, text) to todo_api;
grant execute on function app.rehash(text[], text) to todo_api;
grant execute on function app.register(uuid, text, text, text) to todo_api;
grant execute on function app.password_salt(text) to todo_api;
do $$
begin
  -- From 16 on the owner is a member all the time, without inheriting.
  if current_setting('server_version_num')::integer < 160000 then
    execute format('grant todo_auth to %I', current_user);
  end if;
end
$$;
grant create on schema app to todo_auth;
alter function app.login(text, text[], uuid, integer, text[], bytea, uuid, inet, text) owner to todo_auth;
alter function app.change_account(text[], text, text, text, uuid[], inet, text) owner to todo_auth;
alter function app.rehash(text[], text) owner to todo_auth;
alter function app.register(uuid, text, text, text) owner to todo_auth;
alter function app.password_salt(text) owner to todo_auth;
revoke create on schema app from todo_auth;
do $$
begin
  if current_setting('server_version_num')::integer < 160000 then
    execute format('revoke todo_auth from %I', current_user);
  end if;
end
$$;

-- migrate:down

drop function app.login(text, text[], uuid, integer, text[], bytea, uuid, inet, text);
drop function app.change_account(text[], text, text, text, uuid[], inet, text);
drop function app.rehash(text[], text);
drop function app.register(uuid, text, text, text);
drop function app.password_salt(text);

alter table users drop column email_folded;
create unique index users_email_key on users (lower(email collate "C"));
comment on column users.email is 'As it was typed; unique whatever its case.';

create function app.login(
    login_email text, login_password_hash text,
    session_id uuid, session_seconds integer, session_scopes text[], refresh_hash bytea,
    event_id uuid, client_ip inet, client_user_agent text)
  returns uuid
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  known record;
  expiry constant timestamptz := now() + make_interval(secs => session_seconds);
begin
  -- Shared, so that a password change, which ends the other sessions, cannot slip between look and insert.
  select u.id, c.password_hash = login_password_hash as matches into known
  from public.users u join identity.credentials c on c.user_id = u.id
  where lower(u.email collate "C") = lower(login_email collate "C")
  for share of c;
  if not found then return null; end if;

  insert into identity.events (user_id, id, kind, subject_id, ip, user_agent)
  values (known.id, event_id, case when known.matches then 'login' else 'login_failed' end,
          case when known.matches then session_id end, client_ip, client_user_agent);
  if not known.matches then return null; end if;

  insert into identity.sessions (user_id, id, scopes, ip, user_agent, expires_at)
  values (known.id, session_id, session_scopes, client_ip, client_user_agent, expiry);
  insert into identity.refresh_tokens (user_id, hash, session_id, expires_at)
  values (known.id, refresh_hash, session_id, expiry);
  return known.id;
end
$$;
comment on function app.login(text, text, uuid, integer, text[], bytea, uuid, inet, text) is
  'Opens a session with its first refresh token when the hash is that of the user''s password, and returns the user; null when email or password is wrong.';

create function app.change_account(
    current_password_hash text, new_email text, new_password_hash text,
    event_ids uuid[], client_ip inet, client_user_agent text)
  returns table (id uuid, email text, created_at timestamptz)
  language plpgsql volatile security definer set search_path = ''
as $$
begin
  -- Locked, so that no login with the old password opens a session that outlives it.
  perform from identity.credentials c
  where c.user_id = app.user_id() and c.password_hash = current_password_hash and app.has_scope('account')
  for update;
  if not found then return; end if;

  if new_email is not null then
    update public.users u set email = new_email where u.id = app.user_id();
    insert into identity.events (user_id, id, kind, ip, user_agent)
    values (app.user_id(), event_ids[1], 'email_changed', client_ip, client_user_agent);
  end if;
  if new_password_hash is not null then
    update identity.credentials c set password_hash = new_password_hash where c.user_id = app.user_id();
    delete from identity.sessions s where s.user_id = app.user_id() and s.id is distinct from app.credential_id();
    insert into identity.events (user_id, id, kind, ip, user_agent)
    values (app.user_id(), event_ids[2], 'password_changed', client_ip, client_user_agent);
  end if;
  return query select u.id, u.email, u.created_at from public.users u where u.id = app.user_id();
end
$$;
comment on function app.change_account(text, text, text, uuid[], inet, text) is
  'Changes email, password or both of the user of this transaction, who must know the current password: no row when the hash is another. A new password ends every other session.';

create function app.rehash(old_password_hash text, new_password_hash text) returns void
  language sql volatile security definer set search_path = ''
begin atomic
  update identity.credentials set password_hash = new_password_hash
  where user_id = app.user_id() and password_hash = old_password_hash;
end;
comment on function app.rehash(text, text) is
  'Replaces the hash of the same password by one of another cost, for the user of this transaction.';

create function app.register(new_id uuid, new_email text, new_password_hash text)
  returns table (id uuid, email text, created_at timestamptz)
  language sql volatile security definer set search_path = ''
begin atomic
  with added as (
    insert into public.users (id, email) values (new_id, new_email)
    returning users.id, users.email, users.created_at
  ), secured as (
    insert into identity.credentials (user_id, password_hash) values (new_id, new_password_hash)
  )
  select added.id, added.email, added.created_at from added;
end;
comment on function app.register(uuid, text, text) is 'Adds a user with a password; users_email_key is violated when the email is taken.';

create function app.password_salt(login_email text) returns text
  language sql stable security definer set search_path = ''
begin atomic
  select left(c.password_hash, 29)
  from public.users u join identity.credentials c on c.user_id = u.id
  where lower(u.email collate "C") = lower(login_email collate "C");
end;
comment on function app.password_salt(text) is 'Version, cost and salt (29 characters) of the bcrypt hash of this email''s user; null when there is none.';

grant execute on function app.login(text, text, uuid, integer, text[], bytea, uuid, inet, text) to todo_api;
grant execute on function app.change_account(text, text, text, uuid[], inet, text) to todo_api;
grant execute on function app.rehash(text, text) to todo_api;
grant execute on function app.register(uuid, text, text) to todo_api;
grant execute on function app.password_salt(text) to todo_api;
do $$
begin
  -- From 16 on the owner is a member all the time, without inheriting.
  if current_setting('server_version_num')::integer < 160000 then
    execute format('grant todo_auth to %I', current_user);
  end if;
end
$$;
grant create on schema app to todo_auth;
alter function app.login(text, text, uuid, integer, text[], bytea, uuid, inet, text) owner to todo_auth;
alter function app.change_account(text, text, text, uuid[], inet, text) owner to todo_auth;
alter function app.rehash(text, text) owner to todo_auth;
alter function app.register(uuid, text, text) owner to todo_auth;
alter function app.password_salt(text) owner to todo_auth;
revoke create on schema app from todo_auth;
do $$
begin
  if current_setting('server_version_num')::integer < 160000 then
    execute format('revoke todo_auth from %I', current_user);
  end if;
end
$$;
