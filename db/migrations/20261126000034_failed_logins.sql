-- migrate:up

-- Anybody can fail to log in with another's email. Of one hour five failures are kept one by one, with where they came
-- from; further ones are counted on the newest. So nobody can fill another's trail.
alter table identity.events
  add column count integer not null default 1,
  add constraint events_count_positive check (count > 0);

alter policy events_select_auth on identity.events using (
  created_at < now() - interval '1 year' or (kind = 'login_failed' and created_at > now() - interval '1 hour'));
create policy events_update_auth on identity.events for update to todo_auth
  using (kind = 'login_failed' and created_at > now() - interval '1 hour')
  with check (kind = 'login_failed' and created_at > now() - interval '1 hour');
grant select (count) on identity.events to todo_api;
grant select (kind, count), update (count) on identity.events to todo_auth;
comment on column identity.events.count is 'How often: more than 1 where further failed logins of the hour are counted.';
comment on policy events_select_auth on identity.events is 'The removal finds old events, and app.login the failures of the last hour; no function reads others.';
comment on policy events_update_auth on identity.events is 'app.login counts a failed login on one of the last hour.';

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
create or replace function app.login(
    login_email_folded text, login_password_hashes text[],
    session_id uuid, session_seconds integer, session_scopes text[], refresh_hash bytea,
    event_id uuid, client_ip inet, client_user_agent text)
  returns uuid
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  known record;
  recent uuid[];
  expiry constant timestamptz := now() + make_interval(secs => session_seconds);
begin
  -- Locked, so that logins of one account are counted one by one, and so that a password change, which ends the other
  -- sessions, cannot slip between look and insert.
  select u.id, c.password_hash = any (login_password_hashes) as matches into known
  from public.users u join identity.credentials c on c.user_id = u.id
  where u.email_folded = login_email_folded
  for no key update of c;
  if not found then return null; end if;

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

  insert into identity.sessions (user_id, id, scopes, ip, user_agent, expires_at)
  values (known.id, session_id, session_scopes, client_ip, client_user_agent, expiry);
  insert into identity.refresh_tokens (user_id, hash, session_id, expires_at)
  values (known.id, refresh_hash, session_id, expiry);
  return known.id;
end
$$;
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
  -- From 16 on the owner is a member all the time, without inheriting.
  if current_setting('server_version_num')::integer < 160000 then
    execute format('grant todo_auth to %I', current_user);
  end if;
end
$$;
grant create on schema app to todo_auth;
set local role todo_auth;
create or replace function app.login(
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
reset role;
revoke create on schema app from todo_auth;
do $$
begin
  if current_setting('server_version_num')::integer < 160000 then
    execute format('revoke todo_auth from %I', current_user);
  end if;
end
$$;

revoke select (kind, count), update (count) on identity.events from todo_auth;
drop policy events_update_auth on identity.events;
alter policy events_select_auth on identity.events using (created_at < now() - interval '1 year');
comment on policy events_select_auth on identity.events is 'The removal of old events finds those, and no function reads others.';
alter table identity.events drop column count;
