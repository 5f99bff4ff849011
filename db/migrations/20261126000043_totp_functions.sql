-- migrate:up

-- What users do with their second factor, quotas, and what the operator may do to a user.
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

create function app.start_totp(new_sealed_seed bytea, new_proof_hash bytea) returns boolean
  language sql volatile security definer set search_path = pg_catalog, pg_temp
begin atomic
  insert into identity.totp_seeds as t (user_id, sealed_seed, proof_hash)
  select app.user_id('account'), new_sealed_seed, new_proof_hash
  where app.logged_in_at() > now() - interval '10 minutes'
  on conflict on constraint totp_seeds_pkey do update
    set sealed_seed = excluded.sealed_seed, proof_hash = excluded.proof_hash
    where t.confirmed_at is null
  returning true;
end;
comment on function app.start_totp(bytea, bytea) is
  'Stores a seed that is not confirmed yet for the transaction''s user, in place of another such; null when the login is older than ten minutes or a seed is confirmed.';

create function app.confirm_totp(
    code_proof bytea, code_step bigint, recovery_hashes bytea[], event_id uuid, client_ip inet, client_user_agent text)
  returns boolean
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
  -- Locked, so that no login without a code opens a session that survives.
  perform from identity.credentials c where c.user_id = app.user_id('account') for update;
  update identity.totp_seeds t set confirmed_at = now(), last_step = code_step
  where t.user_id = app.user_id('account') and t.confirmed_at is null and t.proof_hash = sha256(code_proof)
    and app.logged_in_at() > now() - interval '10 minutes';
  if not found then return false; end if;
  insert into identity.recovery_codes (user_id, hash) select app.user_id(), h from unnest(recovery_hashes[1:10]) as h;
  delete from identity.sessions s where s.user_id = app.user_id() and s.id is distinct from app.credential_id();
  insert into identity.events (user_id, id, kind, ip, user_agent)
  values (app.user_id(), event_id, 'totp_enabled', client_ip, client_user_agent);
  perform identity.queue_mail(app.user_id(), 'second_factor_changed', null, jsonb_build_object(
    'change', 'It was turned on.', 'ip', host(client_ip), 'user_agent', client_user_agent));
  return true;
end
$$;
comment on function app.confirm_totp(bytea, bigint, bytea[], uuid, inet, text) is
  'Turns on the second factor of the transaction''s user, given the proof of its seed, and ends every other session; false when there is no such seed, or the login is older than ten minutes.';

create function app.remove_totp(current_password_hash text, event_id uuid, client_ip inet, client_user_agent text)
  returns text
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if (app.logged_in_at() > now() - interval '10 minutes') is not true then return 'login_required'; end if;
  perform from identity.credentials c
  where c.user_id = app.user_id('account') and c.password_hash = current_password_hash
  for update;
  if not found then return 'wrong_password'; end if;
  delete from identity.totp_seeds t where t.user_id = app.user_id() and t.confirmed_at is not null;
  if not found then return 'not_found'; end if;
  insert into identity.events (user_id, id, kind, ip, user_agent)
  values (app.user_id(), event_id, 'totp_disabled', client_ip, client_user_agent);
  perform identity.queue_mail(app.user_id(), 'second_factor_changed', null, jsonb_build_object(
    'change', 'It was turned off.', 'ip', host(client_ip), 'user_agent', client_user_agent));
  return 'removed';
end
$$;
comment on function app.remove_totp(text, uuid, inet, text) is
  'Turns off the second factor of the transaction''s user, given the current password''s hash and a login within ten minutes. Returns removed, login_required, wrong_password or not_found.';

create function app.notify_token_created(token_name text, client_ip inet, client_user_agent text) returns boolean
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if app.user_id('account') is null then return false; end if;
  return identity.queue_mail(app.user_id(), 'token_created', null,
    jsonb_build_object('name', token_name, 'ip', host(client_ip), 'user_agent', client_user_agent));
end
$$;
comment on function app.notify_token_created(text, inet, text) is
  'Queues a mail to the transaction''s user about a new personal access token.';

create function app.check_quota(quota text, used bigint, allowed bigint) returns bigint
  language plpgsql stable
as $$
begin
  if used > allowed then
    raise exception 'The quota % allows %.', quota, allowed using errcode = 'check_violation', constraint = quota;
  end if;
  return allowed - used;
end
$$;
comment on function app.check_quota(text, bigint, bigint) is
  'Fails like a violated constraint of this name when more is used than allowed; otherwise returns what is left.';

create function app.operate_on_user(command text, user_email_folded text, reset_hash bytea, event_id uuid)
  returns uuid
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  known uuid;
  new_kind text;
  -- Made outside of the update: Citus refuses functions there that return something else each time.
  hash_tail constant text := replace(gen_random_uuid()::text, '-', '');
begin
  -- Locked, so that no login opens a session that survives.
  select u.id into known
  from public.users u join identity.credentials c on c.user_id = u.id
  where coalesce(u.email_folded, lower(u.email collate "C")) = user_email_folded
  for update of c;
  if not found then return null; end if;
  case command
    when 'lock' then
      insert into identity.locked_users (user_id) values (known) on conflict do nothing;
      new_kind := 'operator_locked';
    when 'unlock' then
      delete from identity.locked_users l where l.user_id = known;
      new_kind := 'operator_unlocked';
    when 'end-sessions' then
      new_kind := 'operator_ended_sessions';
    when 'reset-password' then
      -- A hash that no password has. It keeps the salt, so that a login still takes the same time.
      update identity.credentials c
      set password_hash = left(c.password_hash, 29) || left(hash_tail, 31)
      where c.user_id = known;
      delete from identity.mail_tokens t where t.user_id = known and t.purpose <> 'undo_email';
      update identity.mails m set next_attempt_at = null
      where m.user_id = known and m.kind in ('reset_password', 'confirm_email') and m.next_attempt_at is not null;
      insert into identity.mail_tokens (user_id, hash, purpose, email, email_folded, created_at, expires_at)
      values (known, reset_hash, 'reset_password', '', '', now(), now() + interval '30 minutes');
      new_kind := 'operator_reset_password';
      perform identity.queue_mail(known, 'password_changed', null, '{}');
    when 'reset-totp' then
      delete from identity.totp_seeds t where t.user_id = known;
      new_kind := 'operator_reset_totp';
      perform identity.queue_mail(known, 'second_factor_changed', null, '{"change": "The operator turned it off."}');
    when 'delete' then
      -- The policies let todo_auth delete the transaction's user only. app.delete_content says why content comes first.
      perform identity.set_context(identity.sealed_context(known, known, null, '{account}'));
      insert into identity.deleted_users (id) values (known) on conflict do nothing;
      perform identity.delete_rows(known);
      delete from public.users u where u.id = known;
      perform identity.set_context('');
      return known;
  end case;
  if command in ('lock', 'end-sessions', 'reset-password') then
    delete from identity.sessions s where s.user_id = known;
  end if;
  insert into identity.events (user_id, id, kind) values (known, event_id, new_kind);
  return known;
end
$$;
comment on function app.operate_on_user(text, text, bytea, uuid) is
  'What npm run users does to a user, with an event: lock, unlock, end-sessions, reset-password (which stores the hash of a token to choose a new one), reset-totp or delete. Returns the user; null when the email is unknown.';

create function app.show_user(user_email_folded text)
  returns table (id uuid, email text, created_at timestamptz, locked_at timestamptz, totp_since timestamptz,
                 recovery_codes bigint, sessions bigint, last_used_at timestamptz, access_tokens bigint)
  language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select u.id, u.email, u.created_at, l.created_at, t.confirmed_at,
         (select count(*) from identity.recovery_codes r where r.user_id = u.id),
         (select count(*) from identity.sessions s where s.user_id = u.id and s.expires_at > now()),
         (select max(s.last_used_at) from identity.sessions s where s.user_id = u.id),
         (select count(*) from identity.access_tokens a where a.user_id = u.id and (a.expires_at is null or a.expires_at > now()))
  from public.users u
  left join identity.locked_users l on l.user_id = u.id
  left join identity.totp_seeds t on t.user_id = u.id
  where coalesce(u.email_folded, lower(u.email collate "C")) = user_email_folded;
end;
comment on function app.show_user(text) is 'What npm run users shows of a user: no secrets and no content.';

grant execute on function app.start_totp(bytea, bytea), app.confirm_totp(bytea, bigint, bytea[], uuid, inet, text),
  app.remove_totp(text, uuid, inet, text), app.check_quota(text, bigint, bigint),
  app.notify_token_created(text, inet, text) to todo_api;
-- Only the owner of the database operates.
do $$
begin
  execute format('grant execute on function app.operate_on_user(text, text, bytea, uuid), app.show_user(text) to %I', session_user);
end
$$;
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
set local role todo_auth;

drop function app.notify_token_created(text, inet, text), app.show_user(text), app.operate_on_user(text, text, bytea, uuid), app.check_quota(text, bigint, bigint),
  app.remove_totp(text, uuid, inet, text), app.confirm_totp(bytea, bigint, bytea[], uuid, inet, text),
  app.start_totp(bytea, bytea);
reset role;
do $$
begin
  if current_setting('server_version_num')::integer < 160000 then
    execute format('revoke todo_auth from %I', current_user);
  end if;
exception when insufficient_privilege then
  raise warning 'The owner may not change its membership in todo_auth, and sees what todo_auth may see.';
end
$$;
