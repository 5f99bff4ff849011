-- migrate:up

-- Login locks the password that it compares: a policy for update is what SELECT … FOR SHARE asks for.
create policy credentials_update_auth on identity.credentials for update to todo_auth using (true) with check (true);
grant update (password_hash) on identity.credentials to todo_auth;
comment on policy credentials_update_auth on identity.credentials is 'app.login locks the row, app.rehash and app.change_account write it.';

drop function app.login(text, text, uuid, integer, text[], inet, text);

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

create function app.rehash(old_password_hash text, new_password_hash text) returns void
  language sql volatile security definer set search_path = ''
begin atomic
  update identity.credentials set password_hash = new_password_hash
  where user_id = app.user_id() and password_hash = old_password_hash;
end;
comment on function app.rehash(text, text) is
  'Replaces the hash of the same password by one of another cost, for the user of this transaction.';

create function app.refresh(
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
comment on function app.refresh(uuid, bytea, bytea, bytea, integer, uuid, inet, text) is
  'Spends a refresh token, and returns its session and the seed of its successor; nulls when the token is not alive. A token spent more than 10 seconds ago ends the session.';

grant create on schema app to todo_auth;
alter function app.login(text, text, uuid, integer, text[], bytea, uuid, inet, text) owner to todo_auth;
alter function app.rehash(text, text) owner to todo_auth;
alter function app.refresh(uuid, bytea, bytea, bytea, integer, uuid, inet, text) owner to todo_auth;
revoke create on schema app from todo_auth;
grant execute on function app.login(text, text, uuid, integer, text[], bytea, uuid, inet, text) to todo_api;
grant execute on function app.rehash(text, text) to todo_api;
grant execute on function app.refresh(uuid, bytea, bytea, bytea, integer, uuid, inet, text) to todo_api;

-- migrate:down

drop function app.refresh(uuid, bytea, bytea, bytea, integer, uuid, inet, text);
drop function app.rehash(text, text);
drop function app.login(text, text, uuid, integer, text[], bytea, uuid, inet, text);
revoke update (password_hash) on identity.credentials from todo_auth;
drop policy credentials_update_auth on identity.credentials;

create function app.login(
    login_email text, login_password_hash text,
    session_id uuid, session_seconds integer, session_scopes text[], session_ip inet, session_user_agent text)
  returns uuid
  language sql volatile security definer set search_path = ''
begin atomic
  insert into identity.sessions (user_id, id, scopes, ip, user_agent, expires_at)
  select u.id, session_id, session_scopes, session_ip, session_user_agent, now() + make_interval(secs => session_seconds)
  from public.users u join identity.credentials c on c.user_id = u.id
  where lower(u.email collate "C") = lower(login_email collate "C") and c.password_hash = login_password_hash
  returning user_id;
end;
comment on function app.login(text, text, uuid, integer, text[], inet, text) is
  'Opens a session when the hash is that of the user''s password, and returns the user; null when email or password is wrong.';
grant create on schema app to todo_auth;
alter function app.login(text, text, uuid, integer, text[], inet, text) owner to todo_auth;
revoke create on schema app from todo_auth;
grant execute on function app.login(text, text, uuid, integer, text[], inet, text) to todo_api;
