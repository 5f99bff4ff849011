-- migrate:up

-- Sessions end: locked users have none, a refresh extends one no longer than a given time after its login, a login
-- demands the second factor, and a user has at most 100.
-- PostgreSQL 15 has no membership without inheritance: see the migration of the roles.
do $$
begin
  if not pg_catalog.pg_has_role(current_user, 'todo_auth', 'MEMBER') then
    execute format('grant todo_auth to %I', current_user);
  end if;
end
$$;
grant create on schema app to todo_auth;
set local role todo_auth;

create or replace function app.authenticate(
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
    where s.user_id = claimed_user and s.id = claimed_session and s.secret_hash = sha256(secret) and s.expires_at > now()
      and not exists (select from identity.locked_users l where l.user_id = s.user_id);
  else
    select t.id, t.scopes, coalesce(t.last_used_at < now() - interval '1 minute', true)
    into credential_id, scopes, use_is_due
    from identity.access_tokens t
    where t.user_id = claimed_user and t.hash = sha256(secret) and (t.expires_at is null or t.expires_at > now())
      and not exists (select from identity.locked_users l where l.user_id = t.user_id);
  end if;

  -- Fail closed: without a valid credential, whatever was set on the connection before is cleared.
  execute format('set local app.context = %L', case when credential_id is null then ''
    else identity.sealed_context(claimed_user, credential_id, logged_in_at, scopes) end);
end
$$;

drop function app.login(text, text, uuid, bytea, integer, text[], bytea, uuid, inet, text);
create function app.login(
    login_email_folded text, login_password_hash text,
    session_id uuid, session_secret_hash bytea, session_seconds integer, session_scopes text[], refresh_hash bytea,
    event_id uuid, client_ip inet, client_user_agent text,
    code_proof bytea, code_step bigint, recovery_code bytea, resealed_seed bytea,
    out user_id uuid, out outcome text, out sealed_seed bytea, out retry_after integer)
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  known record;
  recent uuid[];
  factor record;
  recovered boolean := false;
  window_start constant timestamptz := now() - interval '15 minutes';
  expiry constant timestamptz := now() + make_interval(secs => session_seconds);
begin
  -- Locked, so that failures are counted one by one, and that a password change, which ends the other sessions, cannot
  -- commit between comparison and insert.
  select u.id, u.created_at, c.password_hash = login_password_hash as matches into known
  from public.users u join identity.credentials c on c.user_id = u.id
  where coalesce(u.email_folded, lower(u.email collate "C")) = login_email_folded
  for no key update of c;
  if not found then return; end if;

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
    else
      insert into identity.events (user_id, id, kind, ip, user_agent)
      values (known.id, event_id, 'login_failed', client_ip, client_user_agent);
    end if;
    return;
  end if;

  -- From here on the password is right: what follows tells a stranger nothing.
  user_id := known.id;
  if exists (select from identity.locked_users l where l.user_id = known.id) then
    outcome := 'locked';
    return;
  end if;
  select t.sealed_seed, t.proof_hash, t.last_step, t.failures, t.failures_since into factor
  from identity.totp_seeds t where t.user_id = known.id and t.confirmed_at is not null
  for update;
  if found then
    sealed_seed := factor.sealed_seed;
    if factor.failures >= 5 and factor.failures_since > window_start then
      outcome := 'code_limited';
      retry_after := ceil(extract(epoch from factor.failures_since - window_start));
      return;
    end if;
    if code_step is null and recovery_code is null then
      outcome := 'code_required';
      return;
    end if;
    delete from identity.recovery_codes r where r.user_id = known.id and r.hash = sha256(recovery_code);
    recovered := found;
    -- A code works once: its time step must be later than that of the last one.
    if not recovered and (code_step > factor.last_step and sha256(code_proof) = factor.proof_hash) is not true then
      if factor.failures_since <= window_start then
        factor.failures := 0;
        factor.failures_since := now();
      end if;
      update identity.totp_seeds t set failures = factor.failures + 1, failures_since = factor.failures_since
      where t.user_id = known.id;
      insert into identity.events (user_id, id, kind, ip, user_agent)
      values (known.id, event_id, 'totp_failed', client_ip, client_user_agent);
      outcome := 'code_wrong';
      return;
    end if;
    if not recovered then
      update identity.totp_seeds t
      set last_step = code_step, sealed_seed = coalesce(resealed_seed, factor.sealed_seed)
      where t.user_id = known.id;
    end if;
  end if;

  -- A device is told by its user agent. Right after registration there is nothing to warn of.
  if known.created_at < now() - interval '10 minutes' and not exists (
    select from identity.sessions s where s.user_id = known.id and s.user_agent is not distinct from client_user_agent
  ) then
    perform identity.queue_mail(known.id, 'login_from_new_device', null,
      jsonb_build_object('ip', host(client_ip), 'user_agent', client_user_agent));
  end if;
  insert into identity.events (user_id, id, kind, subject_id, ip, user_agent)
  values (known.id, event_id, case when recovered then 'recovery_code_used' else 'login' end, session_id, client_ip,
          client_user_agent);
  insert into identity.sessions (user_id, id, secret_hash, scopes, ip, user_agent, expires_at)
  values (known.id, session_id, session_secret_hash, session_scopes, client_ip, client_user_agent, expiry);
  insert into identity.refresh_tokens (user_id, hash, session_id, expires_at)
  values (known.id, refresh_hash, session_id, expiry);
  delete from identity.sessions s where s.user_id = known.id and s.id in (
    select o.id from identity.sessions o where o.user_id = known.id order by o.created_at desc, o.id desc offset 100);
  outcome := 'opened';
end
$$;
comment on function app.login(text, text, uuid, bytea, integer, text[], bytea, uuid, inet, text, bytea, bigint, bytea, bytea) is
  'Opens a session with its first refresh token when the hash is that of the user''s password and, for a user with a second factor, the proof, a later time step or an unused recovery code is given. Returns nulls when email or password is wrong, otherwise the user and an outcome: opened, locked, code_required, code_wrong or code_limited, and the sealed seed of a second factor. Of more than 100 sessions the oldest end.';

drop function app.refresh(uuid, bytea, bytea, bytea, bytea, integer, uuid, inet, text);
create function app.refresh(
    token_user uuid, session_secret bytea, token_secret bytea, new_seed bytea, new_hash bytea, session_seconds integer,
    session_max_seconds integer, event_id uuid, client_ip inet, client_user_agent text,
    out session_id uuid, out scopes text[], out seed bytea)
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  found_session uuid;
  logged_in_at timestamptz;
  token record;
  token_hash constant bytea := sha256(token_secret);
  expiry timestamptz;
begin
  -- The session is locked before its token is read: refreshes of one session take turns, and in the order in which
  -- the end of a session takes its locks.
  select t.session_id into found_session
  from identity.refresh_tokens t where t.user_id = token_user and t.hash = token_hash;
  select s.created_at into logged_in_at
  from identity.sessions s
  where s.user_id = token_user and s.id = found_session and s.secret_hash = sha256(session_secret)
    and s.expires_at > now() and s.created_at > now() - make_interval(secs => session_max_seconds)
    and not exists (select from identity.locked_users l where l.user_id = s.user_id)
  for update;
  if not found then return; end if;
  select t.spent_at, t.successor_seed into token
  from identity.refresh_tokens t
  where t.user_id = token_user and t.hash = token_hash and t.expires_at > now();
  if not found then return; end if;

  if token.spent_at is null then
    expiry := least(now() + make_interval(secs => session_seconds), logged_in_at + make_interval(secs => session_max_seconds));
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
    perform identity.queue_mail(token_user, 'session_ended', null,
      jsonb_build_object('ip', host(client_ip), 'user_agent', client_user_agent));
    return;
  end if;
  select s.id, s.scopes into session_id, scopes
  from identity.sessions s where s.user_id = token_user and s.id = found_session;
end
$$;
comment on function app.refresh(uuid, bytea, bytea, bytea, bytea, integer, integer, uuid, inet, text) is
  'Spends a refresh token and returns its session and the seed of its successor; nulls when it is not valid. The session ends at the latest that many seconds after its login. Reusing a token more than 10 seconds after it was spent ends the session.';

grant execute on function
    app.login(text, text, uuid, bytea, integer, text[], bytea, uuid, inet, text, bytea, bigint, bytea, bytea),
    app.refresh(uuid, bytea, bytea, bytea, bytea, integer, integer, uuid, inet, text)
  to todo_api;
reset role;
revoke create on schema app from todo_auth;
do $$
begin
  if current_setting('server_version_num')::integer < 160000 then
    execute format('revoke todo_auth from %I', current_user);
  end if;
exception when insufficient_privilege then
  raise warning 'The owner may not change its membership in todo_auth, and sees what todo_auth may see.';
end
$$;

-- migrate:down

do $$
begin
  if not pg_catalog.pg_has_role(current_user, 'todo_auth', 'MEMBER') then
    execute format('grant todo_auth to %I', current_user);
  end if;
end
$$;
grant create on schema app to todo_auth;
set local role todo_auth;

create or replace function app.authenticate(
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

drop function app.login(text, text, uuid, bytea, integer, text[], bytea, uuid, inet, text, bytea, bigint, bytea, bytea);
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

drop function app.refresh(uuid, bytea, bytea, bytea, bytea, integer, integer, uuid, inet, text);
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

grant execute on function app.login(text, text, uuid, bytea, integer, text[], bytea, uuid, inet, text),
  app.refresh(uuid, bytea, bytea, bytea, bytea, integer, uuid, inet, text) to todo_api;
reset role;
revoke create on schema app from todo_auth;
do $$
begin
  if current_setting('server_version_num')::integer < 160000 then
    execute format('revoke todo_auth from %I', current_user);
  end if;
exception when insufficient_privilege then
  raise warning 'The owner may not change its membership in todo_auth, and sees what todo_auth may see.';
end
$$;
