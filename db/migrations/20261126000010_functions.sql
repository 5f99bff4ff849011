-- migrate:up

-- What the API does for somebody who has not been authenticated yet, or may not do itself. All run with the rights of
-- todo_auth, on a fixed search_path that looks for temporary objects last.
grant create on schema app to todo_auth;
set local role todo_auth;

create function app.schema_version() returns text
  language sql stable security definer set search_path = pg_catalog, pg_temp
  return (select max(version) from public.schema_migrations);
comment on function app.schema_version() is 'The newest applied migration. The API is ready only when it is the one it was built for.';

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
comment on function app.register(uuid, text, text, text) is 'Adds a user with a password; violates users_email_key when the email is taken.';

-- The salt, not the hash: the API computes a hash from it and the password in a worker thread, and the database
-- compares. An unknown email gets a salt derived from it, the same every time, so that the salt does not tell which
-- emails are registered: 22 characters of bcrypt's alphabet, the last of which encodes two bits.
create function app.password_salt(login_email_folded text, cost integer) returns text
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
  made_up bytea;
  known text;
begin
  select identity.hmac(k.inner_block, k.outer_block, login_email_folded) into made_up
  from identity.secret_keys k where k.purpose = 'password_salt';
  select left(c.password_hash, 29) into known
  from public.users u join identity.credentials c on c.user_id = u.id
  where coalesce(u.email_folded, lower(u.email collate "C")) = login_email_folded;
  return coalesce(known, format('$2b$%s$', lpad(cost::text, 2, '0')) ||
    left(translate(encode(made_up, 'base64'), '+/=', './'), 21) || substr('.Oeu', 1 + get_byte(made_up, 31) % 4, 1));
end
$$;
comment on function app.password_salt(text, integer) is 'Version, cost and salt (29 characters) of the bcrypt hash of this email''s user, or a made-up one of this cost.';

create function app.login(
    login_email_folded text, login_password_hash text,
    session_id uuid, session_secret_hash bytea, session_seconds integer, session_scopes text[], refresh_hash bytea,
    event_id uuid, client_ip inet, client_user_agent text)
  returns uuid
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  known record;
  recent uuid[];
  expiry constant timestamptz := now() + make_interval(secs => session_seconds);
begin
  -- Locked, so that failures are counted one by one, and that a password change, which ends the other sessions, cannot
  -- commit between comparison and insert.
  select u.id, c.password_hash = login_password_hash as matches into known
  from public.users u join identity.credentials c on c.user_id = u.id
  where coalesce(u.email_folded, lower(u.email collate "C")) = login_email_folded
  for no key update of c;
  if not found then return null; end if;

  -- Anybody can fail to log in with another's email. Five failures an hour are recorded, further ones counted on the
  -- newest, so that nobody can fill another's events.
  if not known.matches then
    select array_agg(e.id order by e.created_at desc) into recent
    from (
      select f.id, f.created_at from identity.events f
      where f.user_id = known.id and f.kind = 'login_failed' and f.created_at > now() - interval '1 hour'
      order by f.created_at desc limit 5
    ) as e;
    if cardinality(recent) = 5 then
      update identity.events e set count = e.count + 1 where e.user_id = known.id and e.id = recent[1];
      return null;
    end if;
  end if;
  insert into identity.events (user_id, id, kind, subject_id, ip, user_agent)
  values (known.id, event_id, case when known.matches then 'login' else 'login_failed' end,
          case when known.matches then session_id end, client_ip, client_user_agent);
  if not known.matches then return null; end if;

  insert into identity.sessions (user_id, id, secret_hash, scopes, ip, user_agent, expires_at)
  values (known.id, session_id, session_secret_hash, session_scopes, client_ip, client_user_agent, expiry);
  insert into identity.refresh_tokens (user_id, hash, session_id, expires_at)
  values (known.id, refresh_hash, session_id, expiry);
  return known.id;
end
$$;
comment on function app.login(text, text, uuid, bytea, integer, text[], bytea, uuid, inet, text) is
  'Opens a session with its first refresh token when the hash is that of the user''s password, and returns the user; null when email or password is wrong.';

create function app.rehash(old_password_hash text, new_password_hash text) returns void
  language sql volatile security definer set search_path = pg_catalog, pg_temp
begin atomic
  update identity.credentials set password_hash = new_password_hash
  where user_id = app.user_id('account') and password_hash = old_password_hash
    and app.logged_in_at() > now() - interval '1 minute';
end;
comment on function app.rehash(text, text) is
  'Replaces the hash of the transaction''s user by one of another cost for the same password, just after a login.';

create function app.change_account(
    current_password_hash text, new_email text, new_email_folded text, new_password_hash text,
    event_ids uuid[], client_ip inet, client_user_agent text)
  returns table (id uuid, email text, created_at timestamptz)
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
  -- Locked, so that no login with the old password opens a session that survives the change.
  perform from identity.credentials c
  where c.user_id = app.user_id('account') and c.password_hash = current_password_hash
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
comment on function app.change_account(text, text, text, text, uuid[], inet, text) is
  'Changes email, password or both of the transaction''s user, given the current password''s hash; no row when it is another. A new password ends every other session.';

-- plpgsql, because SET LOCAL takes no expression elsewhere. SET LOCAL, because it ends with the transaction behind any
-- pooler and reaches the workers of a Citus cluster, which set_config() does not.
create function app.authenticate(
    claimed_user uuid, claimed_session uuid, secret bytea, out scopes text[], out use_is_due boolean)
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  credential_id uuid;
  logged_in_at timestamptz;
begin
  if claimed_session is not null then
    select s.id, s.created_at, s.scopes, s.last_used_at < now() - interval '1 minute'
    into credential_id, logged_in_at, scopes, use_is_due
    from identity.sessions s
    where s.user_id = claimed_user and s.id = claimed_session and s.secret_hash = sha256(secret) and s.expires_at > now();
  else
    select t.id, t.scopes, coalesce(t.last_used_at < now() - interval '1 minute', true)
    into credential_id, scopes, use_is_due
    from identity.access_tokens t
    where t.user_id = claimed_user and t.hash = sha256(secret) and (t.expires_at is null or t.expires_at > now());
  end if;

  -- Fail closed: without a valid credential, whatever was set on the connection before is cleared.
  execute format('set local app.context = %L', case when credential_id is null then ''
    else identity.sealed_context(claimed_user, credential_id, logged_in_at, scopes) end);
end
$$;
comment on function app.authenticate(uuid, uuid, bytea) is
  'Makes the credential''s user the user of this transaction: a session given its id and secret, or a personal access token given its secret. Returns its scopes (null when it is not valid) and whether its use should be noted.';

create function app.note_use() returns void
  language sql volatile security definer set search_path = pg_catalog, pg_temp
begin atomic
  update identity.sessions set last_used_at = now() where user_id = app.user_id() and id = app.credential_id();
  update identity.access_tokens set last_used_at = now() where user_id = app.user_id() and id = app.credential_id();
end;
comment on function app.note_use() is
  'Writes last_used_at of this transaction''s credential. Separate from the request, which may be read only and must not wait.';

create function app.refresh(
    token_user uuid, session_secret bytea, token_secret bytea, new_seed bytea, new_hash bytea, session_seconds integer,
    event_id uuid, client_ip inet, client_user_agent text,
    out session_id uuid, out scopes text[], out seed bytea)
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  found_session uuid;
  token record;
  token_hash constant bytea := sha256(token_secret);
  expiry constant timestamptz := now() + make_interval(secs => session_seconds);
begin
  -- The session is locked before its token is read: refreshes of one session take turns, and in the order in which
  -- the end of a session takes its locks.
  select t.session_id into found_session
  from identity.refresh_tokens t where t.user_id = token_user and t.hash = token_hash;
  perform from identity.sessions s
  where s.user_id = token_user and s.id = found_session and s.secret_hash = sha256(session_secret)
    and s.expires_at > now()
  for update;
  if not found then return; end if;
  select t.spent_at, t.successor_seed into token
  from identity.refresh_tokens t
  where t.user_id = token_user and t.hash = token_hash and t.expires_at > now();
  if not found then return; end if;

  if token.spent_at is null then
    update identity.refresh_tokens t set spent_at = now(), successor_seed = new_seed
    where t.user_id = token_user and t.hash = token_hash;
    insert into identity.refresh_tokens (user_id, hash, session_id, expires_at)
    values (token_user, new_hash, found_session, expiry);
    update identity.sessions s set expires_at = expiry, last_used_at = now()
    where s.user_id = token_user and s.id = found_session;
    seed := new_seed;
  elsif token.spent_at > clock_timestamp() - interval '10 seconds' then
    -- A retry after a lost response, or a second tab: the same successor again.
    seed := token.successor_seed;
  else
    -- Two clients hold this token, so one of them stole it.
    delete from identity.sessions s where s.user_id = token_user and s.id = found_session;
    insert into identity.events (user_id, id, kind, subject_id, ip, user_agent)
    values (token_user, event_id, 'refresh_reused', found_session, client_ip, client_user_agent);
    return;
  end if;
  select s.id, s.scopes into session_id, scopes
  from identity.sessions s where s.user_id = token_user and s.id = found_session;
end
$$;
comment on function app.refresh(uuid, bytea, bytea, bytea, bytea, integer, uuid, inet, text) is
  'Spends a refresh token and returns its session and the seed of its successor; nulls when it is not valid. Reusing a token more than 10 seconds after it was spent ends the session.';

create function app.remove_expired(batch integer) returns integer
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  removed integer;
  -- A limit that no caller can raise, so that others do not wait long for the locks.
  rows constant integer := least(batch, 1000);
begin
  with ended as (
    delete from identity.sessions where (user_id, id) in
      (select user_id, id from identity.sessions where expires_at < now() order by expires_at limit rows)
    returning 1
  ), spent as (
    delete from identity.refresh_tokens where (user_id, hash) in
      (select user_id, hash from identity.refresh_tokens where expires_at < now() order by expires_at limit rows)
    returning 1
  ), expired as (
    delete from identity.access_tokens where (user_id, id) in
      (select user_id, id from identity.access_tokens where expires_at < now() - interval '30 days' order by expires_at limit rows)
    returning 1
  ), old as (
    delete from identity.events where (user_id, id) in
      (select user_id, id from identity.events where created_at < now() - interval '1 year' order by created_at limit rows)
    returning 1
  ), forgotten as (
    delete from public.idempotency_keys where (user_id, key) in
      (select user_id, key from public.idempotency_keys where expires_at < now() order by expires_at limit rows)
    returning 1
  )
  select count(*) into removed
  from (table ended union all table spent union all table expired union all table old union all table forgotten) as gone;
  return removed;
end
$$;
comment on function app.remove_expired(integer) is
  'Removes expired rows, at most that many of each kind and never more than 1,000, and returns how many were removed.';

grant execute on function
    app.schema_version(), app.register(uuid, text, text, text), app.password_salt(text, integer),
    app.login(text, text, uuid, bytea, integer, text[], bytea, uuid, inet, text), app.rehash(text, text),
    app.change_account(text, text, text, text, uuid[], inet, text), app.authenticate(uuid, uuid, bytea),
    app.note_use(), app.refresh(uuid, bytea, bytea, bytea, bytea, integer, uuid, inet, text),
    app.remove_expired(integer)
  to todo_api;
reset role;
revoke create on schema app from todo_auth;

create policy users_delete_own on users for delete to todo_api
  using (id = app.user_id('account') and app.logged_in_at() > now() - interval '10 minutes');
comment on policy users_delete_own on users is 'Users delete their own account, and everything in it, within ten minutes of a login.';

-- PostgreSQL 15 has no membership without inheritance: see the migration of the roles.
do $$
begin
  if current_setting('server_version_num')::integer < 160000 then
    execute format('revoke todo_auth from %I', current_user);
  end if;
  if pg_catalog.pg_has_role(current_user, 'todo_auth', 'USAGE') then
    raise warning 'The owner inherits what todo_auth may see. Have a superuser grant todo_auth to it WITH INHERIT FALSE.';
  end if;
exception when insufficient_privilege then
  raise warning 'The owner may not change its membership in todo_auth, and sees what todo_auth may see.';
end
$$;

-- migrate:down

do $$
begin
  if current_setting('server_version_num')::integer < 160000 then
    execute format('grant todo_auth to %I', current_user);
  end if;
end
$$;
drop policy users_delete_own on users;
set local role todo_auth;
drop function
  app.schema_version(), app.register(uuid, text, text, text), app.password_salt(text, integer),
  app.login(text, text, uuid, bytea, integer, text[], bytea, uuid, inet, text), app.rehash(text, text),
  app.change_account(text, text, text, text, uuid[], inet, text), app.authenticate(uuid, uuid, bytea),
  app.note_use(), app.refresh(uuid, bytea, bytea, bytea, bytea, integer, uuid, inet, text),
  app.remove_expired(integer);
reset role;
