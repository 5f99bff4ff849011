-- migrate:up

-- An UPDATE of a table that Citus keeps on many nodes must come out alike on each: it takes no volatile function, and
-- within COALESCE no stable one.
do $$
begin
  -- From 16 on the owner is a member all the time, without inheriting.
  if current_setting('server_version_num')::integer < 160000 then
    execute format('grant todo_auth to %I', current_user);
  end if;
end
$$;
grant create on schema app to todo_auth;
set local role todo_auth;
create or replace function app.refresh(
    token_user uuid, token_hash bytea, new_seed bytea, new_hash bytea, session_seconds integer,
    event_id uuid, client_ip inet, client_user_agent text,
    out session_id uuid, out scopes text[], out seed bytea)
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  found_session uuid;
  token record;
  expiry constant timestamptz := now() + make_interval(secs => session_seconds);
begin
  -- The session is locked before its token is looked at: refreshes of one session take turns, in the
  -- order in which its end takes its locks too.
  select t.session_id into found_session
  from identity.refresh_tokens t where t.user_id = token_user and t.hash = token_hash;
  perform from identity.sessions s
  where s.user_id = token_user and s.id = found_session and s.expires_at > now()
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
    -- A retry after a lost answer, or a second tab: the same successor again.
    seed := token.successor_seed;
  else
    -- Two hold this token, and one of them stole it.
    delete from identity.sessions s where s.user_id = token_user and s.id = found_session;
    insert into identity.events (user_id, id, kind, subject_id, ip, user_agent)
    values (token_user, event_id, 'refresh_reused', found_session, client_ip, client_user_agent);
    return;
  end if;
  select s.id, s.scopes into session_id, scopes
  from identity.sessions s where s.user_id = token_user and s.id = found_session;
end
$$;

create or replace function app.note_use(claimed_user uuid, claimed_session uuid, claimed_token_hash bytea) returns void
  language sql volatile security definer set search_path = ''
begin atomic
  update identity.sessions set last_used_at = now()
  where claimed_token_hash is null and user_id = claimed_user and id = claimed_session
    and last_used_at < now() - interval '1 minute';
  update identity.access_tokens set last_used_at = now()
  where user_id = claimed_user and hash = claimed_token_hash
    and (last_used_at < now() - interval '1 minute') is not false;
end;
reset role;
revoke create on schema app from todo_auth;
do $$
begin
  if current_setting('server_version_num')::integer < 160000 then
    execute format('revoke todo_auth from %I', current_user);
  end if;
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
grant create on schema app to todo_auth;
set local role todo_auth;
create or replace function app.refresh(
    token_user uuid, token_hash bytea, new_seed bytea, new_hash bytea, session_seconds integer,
    event_id uuid, client_ip inet, client_user_agent text,
    out session_id uuid, out scopes text[], out seed bytea)
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  found_session uuid;
  token record;
  expiry constant timestamptz := now() + make_interval(secs => session_seconds);
begin
  -- The session is locked before its token is looked at: refreshes of one session take turns, in the
  -- order in which its end takes its locks too.
  select t.session_id into found_session
  from identity.refresh_tokens t where t.user_id = token_user and t.hash = token_hash;
  perform from identity.sessions s
  where s.user_id = token_user and s.id = found_session and s.expires_at > now()
  for update;
  if not found then return; end if;
  select t.spent_at, t.successor_seed into token
  from identity.refresh_tokens t
  where t.user_id = token_user and t.hash = token_hash and t.expires_at > now();
  if not found then return; end if;

  if token.spent_at is null then
    update identity.refresh_tokens t set spent_at = clock_timestamp(), successor_seed = new_seed
    where t.user_id = token_user and t.hash = token_hash;
    insert into identity.refresh_tokens (user_id, hash, session_id, expires_at)
    values (token_user, new_hash, found_session, expiry);
    update identity.sessions s set expires_at = expiry, last_used_at = now()
    where s.user_id = token_user and s.id = found_session;
    seed := new_seed;
  elsif token.spent_at > clock_timestamp() - interval '10 seconds' then
    -- A retry after a lost answer, or a second tab: the same successor again.
    seed := token.successor_seed;
  else
    -- Two hold this token, and one of them stole it.
    delete from identity.sessions s where s.user_id = token_user and s.id = found_session;
    insert into identity.events (user_id, id, kind, subject_id, ip, user_agent)
    values (token_user, event_id, 'refresh_reused', found_session, client_ip, client_user_agent);
    return;
  end if;
  select s.id, s.scopes into session_id, scopes
  from identity.sessions s where s.user_id = token_user and s.id = found_session;
end
$$;

create or replace function app.note_use(claimed_user uuid, claimed_session uuid, claimed_token_hash bytea) returns void
  language sql volatile security definer set search_path = ''
begin atomic
  update identity.sessions set last_used_at = now()
  where claimed_token_hash is null and user_id = claimed_user and id = claimed_session
    and last_used_at < now() - interval '1 minute';
  update identity.access_tokens set last_used_at = now()
  where user_id = claimed_user and hash = claimed_token_hash
    and coalesce(last_used_at < now() - interval '1 minute', true);
end;
reset role;
revoke create on schema app from todo_auth;
do $$
begin
  if current_setting('server_version_num')::integer < 160000 then
    execute format('revoke todo_auth from %I', current_user);
  end if;
end
$$;
