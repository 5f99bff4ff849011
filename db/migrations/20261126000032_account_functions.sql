-- migrate:up

-- PostgreSQL 15 has no membership without inheritance: see the migration of the roles.
do $$
begin
  if not pg_catalog.pg_has_role(current_user, 'todo_auth', 'MEMBER') then
    execute format('grant todo_auth to %I', current_user);
  end if;
end
$$;
grant create on schema app, identity to todo_auth;
set local role todo_auth;

drop function app.register(uuid, text, text, text);
create function app.register(
    new_id uuid, new_email text, new_email_folded text, new_password_hash text, verify boolean, hidden boolean,
    request_id uuid, client_ip inet, client_user_agent text)
  returns table (id uuid, email text, email_verified_at timestamptz, created_at timestamptz)
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if hidden then
    insert into public.users (id, email, email_folded) values (new_id, new_email, new_email_folded)
    on conflict do nothing;
    if not found then
      -- Always a write, so that it takes as long as a registration.
      insert into identity.mail_requests (id, kind, email_folded, ip, user_agent)
      values (request_id, 'already_registered', new_email_folded, client_ip, client_user_agent);
      return;
    end if;
  else
    insert into public.users (id, email, email_folded) values (new_id, new_email, new_email_folded);
  end if;
  insert into identity.credentials (user_id, password_hash) values (new_id, new_password_hash);
  if verify then
    perform identity.queue_mail(new_id, 'verify_email', new_email, '{}', new_email_folded);
  end if;
  return query select u.id, u.email, u.email_verified_at, u.created_at from public.users u where u.id = new_id;
end
$$;
comment on function app.register(uuid, text, text, text, boolean, boolean, uuid, inet, text) is
  'Adds a user with a password, and mails a link to confirm the address. A taken email violates users_email_key or, when that is to stay hidden, mails its owner and returns no row.';

drop function app.change_account(text, text, text, text, uuid[], inet, text);
create function app.change_account(
    current_password_hash text, new_email text, new_email_folded text, new_password_hash text, confirm boolean,
    hidden boolean, event_ids uuid[], client_ip inet, client_user_agent text)
  returns table (id uuid, email text, email_verified_at timestamptz, created_at timestamptz)
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  me constant uuid := app.user_id('account');
  client constant jsonb := jsonb_build_object('ip', host(client_ip), 'user_agent', client_user_agent);
  is_same boolean;
begin
  -- Locked, so that no login with the old password opens a session that survives the change.
  perform from identity.credentials c
  where c.user_id = me and c.password_hash = current_password_hash
  for update;
  if not found then return; end if;

  if new_password_hash is not null then
    update identity.credentials c set password_hash = new_password_hash where c.user_id = me;
    delete from identity.sessions s where s.user_id = me and s.id is distinct from app.credential_id();
    insert into identity.events (user_id, id, kind, ip, user_agent)
    values (me, event_ids[2], 'password_changed', client_ip, client_user_agent);
    -- Links that somebody with the old password may have requested.
    delete from identity.mail_tokens t where t.user_id = me and t.purpose <> 'undo_email';
    if confirm then
      perform identity.queue_mail(me, 'password_changed', null, client);
    end if;
  end if;
  if new_email is not null then
    select coalesce(u.email_folded, lower(u.email collate "C")) = new_email_folded into is_same
    from public.users u where u.id = me;
    if is_same then
      update public.users u set email = new_email, email_folded = new_email_folded where u.id = me;
    elsif confirm then
      perform from public.users u where coalesce(u.email_folded, lower(u.email collate "C")) = new_email_folded;
      if found and not hidden then
        raise exception 'the email is taken' using errcode = 'unique_violation', constraint = 'users_email_key';
      end if;
      -- Only the last address that was asked for can be confirmed.
      delete from identity.mail_tokens t where t.user_id = me and t.purpose = 'verify_email';
      update identity.mails m set next_attempt_at = null
      where m.user_id = me and m.kind = 'confirm_email' and m.next_attempt_at is not null;
      if not identity.queue_mail(me, 'confirm_email', new_email, '{}', new_email_folded) then
        raise exception 'too many mails' using errcode = 'check_violation', constraint = 'mails_limit';
      end if;
    else
      update public.users u
      set email = new_email, email_folded = new_email_folded, email_verified_at = null where u.id = me;
    end if;
    insert into identity.events (user_id, id, kind, ip, user_agent)
    values (me, event_ids[1], case when confirm and not is_same then 'email_change_requested' else 'email_changed' end,
            client_ip, client_user_agent);
  end if;
  return query select u.id, u.email, u.email_verified_at, u.created_at from public.users u where u.id = me;
end
$$;
comment on function app.change_account(text, text, text, text, boolean, boolean, uuid[], inet, text) is
  'Changes email, password or both of the transaction''s user, given the current password''s hash; no row when it is another. A new password ends every other session. With confirm, another email takes effect when app.verify_email gets the token that is mailed to it.';

create function app.request_password_reset(
    request_id uuid, for_email_folded text, client_ip inet, client_user_agent text)
  returns void
  language sql volatile security definer set search_path = pg_catalog, pg_temp
begin atomic
  insert into identity.mail_requests (id, kind, email_folded, ip, user_agent)
  values (request_id, 'reset_password', for_email_folded, client_ip, client_user_agent);
end;
comment on function app.request_password_reset(uuid, text, inet, text) is
  'Notes that somebody forgot a password. app.claim_mails looks for the account.';

create function app.send_verification() returns text
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  me constant uuid := app.user_id('account');
begin
  -- Locked, so that the mails are counted one by one.
  perform from identity.credentials c where c.user_id = me for no key update;
  if not found then return null; end if;
  perform from public.users u where u.id = me and u.email_verified_at is not null;
  if found then return 'verified'; end if;
  return case when identity.queue_mail(me, 'verify_email', null, '{}') then 'queued' else 'limited' end;
end
$$;
comment on function app.send_verification() is
  'Mails the transaction''s user a link to confirm the address: queued, verified when it is confirmed already, or limited.';

create function identity.find_mail_token(token_user uuid, token_purpose text, token_secret bytea)
  returns identity.mail_tokens
  language sql stable set search_path = pg_catalog, pg_temp
begin atomic
  select t.user_id, t.hash, t.purpose, t.email, t.email_folded, t.created_at, t.expires_at
  from identity.mail_tokens t
  where t.user_id = token_user and t.hash = sha256(token_secret) and t.purpose = token_purpose and t.expires_at > now();
end;
comment on function identity.find_mail_token(uuid, text, bytea) is 'The valid token of this purpose with this secret; null when there is none.';

create function app.find_reset_email(token_user uuid, token_secret bytea) returns text
  language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select u.email from identity.find_mail_token(token_user, 'reset_password', token_secret) t
  join public.users u on u.id = t.user_id;
end;
comment on function app.find_reset_email(uuid, bytea) is
  'The email of the account that a token to choose a new password is for; null when the token is not valid.';

create function app.reset_password(
    token_user uuid, token_secret bytea, new_password_hash text, revoke_tokens boolean, event_id uuid, client_ip inet,
    client_user_agent text)
  returns boolean
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  token identity.mail_tokens;
begin
  -- Locked first, as by app.login: no session with the old password survives, and a token works once.
  perform from identity.credentials c where c.user_id = token_user for update;
  token := identity.find_mail_token(token_user, 'reset_password', token_secret);
  if token is null then return false; end if;
  update identity.credentials c set password_hash = new_password_hash where c.user_id = token_user;
  delete from identity.sessions s where s.user_id = token_user;
  if revoke_tokens then
    delete from identity.access_tokens t where t.user_id = token_user;
  end if;
  delete from identity.mail_tokens t where t.user_id = token_user and t.purpose <> 'undo_email';
  update identity.mails m set next_attempt_at = null
  where m.user_id = token_user and m.kind in ('reset_password', 'confirm_email') and m.next_attempt_at is not null;
  -- A link that was mailed to the address confirms it. One from the operator has no address.
  update public.users u set email_verified_at = now()
  where u.id = token_user and u.email = token.email and u.email_verified_at is null;
  insert into identity.events (user_id, id, kind, ip, user_agent)
  values (token_user, event_id, 'password_reset', client_ip, client_user_agent);
  perform identity.queue_mail(token_user, 'password_changed', null,
    jsonb_build_object('ip', host(client_ip), 'user_agent', client_user_agent));
  return true;
end
$$;
comment on function app.reset_password(uuid, bytea, text, boolean, uuid, inet, text) is
  'Sets a new password given a mailed token or one of the operator, and ends every session, with revoke_tokens also the personal access tokens; false when the token is not valid.';

create function app.verify_email(
    token_user uuid, token_secret bytea, event_id uuid, client_ip inet, client_user_agent text)
  returns boolean
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  token identity.mail_tokens;
  old_email text;
  old_email_folded text;
begin
  perform from identity.credentials c where c.user_id = token_user for update;
  token := identity.find_mail_token(token_user, 'verify_email', token_secret);
  if token is null then return false; end if;
  select u.email, coalesce(u.email_folded, lower(u.email collate "C")) into old_email, old_email_folded
  from public.users u where u.id = token_user;
  update public.users u
  set email_verified_at = now(),
      email = case when old_email_folded = token.email_folded then u.email else token.email end,
      email_folded = token.email_folded
  where u.id = token_user;
  -- The links that were mailed to the old address, and those for other new ones.
  delete from identity.mail_tokens t where t.user_id = token_user and t.purpose <> 'undo_email';
  insert into identity.events (user_id, id, kind, ip, user_agent)
  values (token_user, event_id, case when old_email_folded = token.email_folded then 'email_verified' else 'email_changed' end,
          client_ip, client_user_agent);
  if old_email_folded <> token.email_folded then
    -- Never without the link that undoes it.
    if not identity.queue_mail(token_user, 'email_changed', old_email,
      jsonb_build_object('email', token.email, 'ip', host(client_ip), 'user_agent', client_user_agent), old_email_folded)
    then
      raise exception 'too many mails' using errcode = 'check_violation', constraint = 'mails_limit';
    end if;
  end if;
  return true;
end
$$;
comment on function app.verify_email(uuid, bytea, uuid, inet, text) is
  'Confirms the address that a token was mailed to. When it is a new one, it becomes the user''s, and the old one is mailed a link to undo that; false when the token is not valid.';

create function app.undo_email_change(
    token_user uuid, token_secret bytea, event_id uuid, client_ip inet, client_user_agent text)
  returns boolean
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  token identity.mail_tokens;
begin
  perform from identity.credentials c where c.user_id = token_user for update;
  token := identity.find_mail_token(token_user, 'undo_email', token_secret);
  if token is null then return false; end if;
  update public.users u
  set email = token.email, email_folded = token.email_folded, email_verified_at = now()
  where u.id = token_user;
  delete from identity.sessions s where s.user_id = token_user;
  -- Links to undo earlier changes stay: the one who made the changes must not be able to end them.
  delete from identity.mail_tokens t
  where t.user_id = token_user and (t.purpose <> 'undo_email' or t.created_at >= token.created_at);
  update identity.mails m set next_attempt_at = null
  where m.user_id = token_user and m.kind in ('reset_password', 'confirm_email', 'email_changed')
    and m.created_at >= token.created_at and m.next_attempt_at is not null;
  insert into identity.events (user_id, id, kind, ip, user_agent)
  values (token_user, event_id, 'email_change_undone', client_ip, client_user_agent);
  return true;
end
$$;
comment on function app.undo_email_change(uuid, bytea, uuid, inet, text) is
  'Restores the address that a token was mailed to, and ends every session; false when the token is not valid.';

create function app.add_mail_token(sender bytea, mail_user uuid, mail_id uuid, attempt integer, token_hash bytea)
  returns boolean
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform identity.require_mail_sender(sender);
  insert into identity.mail_tokens (user_id, hash, purpose, email, email_folded, created_at, expires_at)
  select m.user_id, token_hash, kinds.purpose, m.recipient, m.recipient_folded, m.created_at, now() + kinds.lifetime
  from identity.mails m
  join (values
    ('reset_password', 'reset_password', interval '30 minutes'),
    ('verify_email', 'verify_email', interval '1 day'),
    ('confirm_email', 'verify_email', interval '1 day'),
    ('email_changed', 'undo_email', interval '7 days')
  ) as kinds (kind, purpose, lifetime) on kinds.kind = m.kind
  where m.user_id = mail_user and m.id = mail_id and m.attempts = attempt and m.next_attempt_at is not null;
  return found;
end
$$;
comment on function app.add_mail_token(bytea, uuid, uuid, integer, bytea) is
  'Stores the hash of the token in a mail that is about to be sent; false when the mail must not be sent any more.';

create function identity.require_mail_sender(sender bytea) returns void
  language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (
    select from identity.secret_keys k where k.purpose = 'mail_sender' and k.inner_block = sha512(sender)
  ) then
    raise exception 'another sender is known' using errcode = 'insufficient_privilege';
  end if;
end
$$;
comment on function identity.require_mail_sender(bytea) is 'Refuses whoever does not know the secret of the API that sends mails.';

create or replace function app.claim_mails(sender bytea, previous_sender bytea, batch integer, lease_seconds integer)
  returns table (user_id uuid, id uuid, kind text, recipient text, params jsonb, attempts integer, created_at timestamptz)
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  known bytea;
begin
  -- The first sender is remembered; later ones need its secret, so that injected SQL cannot read the queue.
  select k.inner_block into known from identity.secret_keys k where k.purpose = 'mail_sender';
  if known = sha512(previous_sender) and previous_sender <> sender then
    delete from identity.secret_keys k where k.purpose = 'mail_sender';
    known := null;
  end if;
  if known is null then
    known := sha512(sender);
    insert into identity.secret_keys (purpose, id, inner_block, outer_block)
    values ('mail_sender', 1, known, known) on conflict do nothing;
  end if;
  perform identity.require_mail_sender(sender);

  -- Requests for addresses without an account end here.
  if batch > 0 then
    with taken as (
      delete from identity.mail_requests r
      where r.id in (select e.id from identity.mail_requests e order by e.id limit 100)
      returning r.id, r.kind, r.email_folded, r.ip, r.user_agent
    ), queued as materialized (
      select r.id, r.kind, r.ip, r.user_agent, u.id as found_user,
             identity.queue_mail(u.id, r.kind, u.email, '{}', r.email_folded) as is_queued
      from taken r join public.users u on coalesce(u.email_folded, lower(u.email collate "C")) = r.email_folded
    )
    insert into identity.events (user_id, id, kind, ip, user_agent)
    select q.found_user, q.id, 'password_reset_requested', q.ip, q.user_agent
    from queued q where q.is_queued and q.kind = 'reset_password';
  end if;

  return query
  with due as (
    select m.user_id, m.id from identity.mails m
    where m.next_attempt_at <= now() and m.expires_at > now()
    order by m.next_attempt_at
    limit least(batch, 100)
    for update skip locked
  )
  update identity.mails m
  set attempts = m.attempts + 1, next_attempt_at = now() + make_interval(secs => lease_seconds)
  from due where m.user_id = due.user_id and m.id = due.id
  returning m.user_id, m.id, m.kind, m.recipient, m.params, m.attempts, m.created_at;
end
$$;

create or replace function app.finish_mail(sender bytea, mail_user uuid, mail_id uuid, attempt integer, outcome text)
  returns text
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  retry_at timestamptz;
begin
  perform identity.require_mail_sender(sender);
  -- 30 seconds, 1, 2, 4 minutes and so on, at most an hour.
  if outcome = 'retry' then
    retry_at := now() + least(interval '1 hour', interval '15 seconds' * 2 ^ least(attempt, 10));
  end if;
  update identity.mails m
  set next_attempt_at = case when retry_at < m.expires_at then retry_at end,
      params = case when retry_at < m.expires_at then m.params else '{}' end
  where m.user_id = mail_user and m.id = mail_id and m.next_attempt_at is not null
    -- After the lease another sender has it; only a success still counts.
    and (m.attempts = attempt or outcome = 'sent')
  returning m.next_attempt_at into retry_at;
  return case when not found then 'unknown' when outcome = 'sent' then 'sent'
    when retry_at is null then 'given_up' else 'retry' end;
end
$$;

create or replace function app.remove_old_mails(batch integer) returns table (removed integer, unsent integer)
  language sql volatile security definer set search_path = pg_catalog, pg_temp
begin atomic
  with old as (
    delete from identity.mails where (user_id, id) in (
      select m.user_id, m.id from identity.mails m
      where m.created_at < now() - interval '1 day' order by m.created_at limit least(batch, 1000)
      for update skip locked)
    returning next_attempt_at
  ), expired as (
    delete from identity.mail_tokens where (user_id, hash) in (
      select t.user_id, t.hash from identity.mail_tokens t
      where t.expires_at < now() order by t.expires_at limit least(batch, 1000))
  )
  select count(*)::integer, count(old.next_attempt_at)::integer from old;
end;
comment on function app.remove_old_mails(integer) is
  'Removes mails a day after they were queued, and expired tokens; returns how many mails, and how many of them were not sent.';

create function app.require_verified_email() returns void
  language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from public.users u where u.id = app.user_id() and u.email_verified_at is not null) then
    raise exception 'the email is not verified' using errcode = 'check_violation', constraint = 'users_email_verified';
  end if;
end
$$;
comment on function app.require_verified_email() is 'Violates users_email_verified unless the transaction''s user has confirmed the address.';

grant execute on function
    app.register(uuid, text, text, text, boolean, boolean, uuid, inet, text),
    app.change_account(text, text, text, text, boolean, boolean, uuid[], inet, text),
    app.request_password_reset(uuid, text, inet, text), app.send_verification(), app.find_reset_email(uuid, bytea),
    app.reset_password(uuid, bytea, text, boolean, uuid, inet, text), app.verify_email(uuid, bytea, uuid, inet, text),
    app.undo_email_change(uuid, bytea, uuid, inet, text), app.add_mail_token(bytea, uuid, uuid, integer, bytea),
    app.require_verified_email()
  to todo_api;
reset role;
revoke create on schema app, identity from todo_auth;
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
grant create on schema app, identity to todo_auth;
set local role todo_auth;
drop function
    app.register(uuid, text, text, text, boolean, boolean, uuid, inet, text),
    app.change_account(text, text, text, text, boolean, boolean, uuid[], inet, text),
    app.request_password_reset(uuid, text, inet, text), app.send_verification(), app.find_reset_email(uuid, bytea),
    app.reset_password(uuid, bytea, text, boolean, uuid, inet, text), app.verify_email(uuid, bytea, uuid, inet, text),
    app.undo_email_change(uuid, bytea, uuid, inet, text), app.add_mail_token(bytea, uuid, uuid, integer, bytea),
    app.require_verified_email();
drop function identity.find_mail_token(uuid, text, bytea);

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

create or replace function app.claim_mails(sender bytea, previous_sender bytea, batch integer, lease_seconds integer)
  returns table (user_id uuid, id uuid, kind text, recipient text, params jsonb, attempts integer, created_at timestamptz)
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  known bytea;
begin
  -- The first sender is remembered; later ones need its secret, so that injected SQL cannot read the queue.
  select k.inner_block into known from identity.secret_keys k where k.purpose = 'mail_sender';
  if known = sha512(previous_sender) and previous_sender <> sender then
    delete from identity.secret_keys k where k.purpose = 'mail_sender';
    known := null;
  end if;
  if known is null then
    known := sha512(sender);
    insert into identity.secret_keys (purpose, id, inner_block, outer_block)
    values ('mail_sender', 1, known, known) on conflict do nothing;
  end if;
  if known is distinct from sha512(sender) then
    raise exception 'another sender is known' using errcode = 'insufficient_privilege';
  end if;

  return query
  with due as (
    select m.user_id, m.id from identity.mails m
    where m.next_attempt_at <= now() and m.expires_at > now()
    order by m.next_attempt_at
    limit least(batch, 100)
    for update skip locked
  )
  update identity.mails m
  set attempts = m.attempts + 1, next_attempt_at = now() + make_interval(secs => lease_seconds)
  from due where m.user_id = due.user_id and m.id = due.id
  returning m.user_id, m.id, m.kind, m.recipient, m.params, m.attempts, m.created_at;
end
$$;
comment on function app.claim_mails(bytea, bytea, integer, integer) is
  'Hands mails that are due to a sender, which must finish each of them before the lease ends. The first secret that is used is remembered, until another one comes with it.';

create or replace function app.finish_mail(sender bytea, mail_user uuid, mail_id uuid, attempt integer, outcome text)
  returns text
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  retry_at timestamptz;
begin
  if not exists (
    select from identity.secret_keys k where k.purpose = 'mail_sender' and k.inner_block = sha512(sender)
  ) then
    raise exception 'another sender is known' using errcode = 'insufficient_privilege';
  end if;
  -- 30 seconds, 1, 2, 4 minutes and so on, at most an hour.
  if outcome = 'retry' then
    retry_at := now() + least(interval '1 hour', interval '15 seconds' * 2 ^ least(attempt, 10));
  end if;
  update identity.mails m
  set next_attempt_at = case when retry_at < m.expires_at then retry_at end,
      params = case when retry_at < m.expires_at then m.params else '{}' end
  where m.user_id = mail_user and m.id = mail_id and m.next_attempt_at is not null
    -- After the lease another sender has it; only a success still counts.
    and (m.attempts = attempt or outcome = 'sent')
  returning m.next_attempt_at into retry_at;
  return case when not found then 'unknown' when outcome = 'sent' then 'sent'
    when retry_at is null then 'given_up' else 'retry' end;
end
$$;
comment on function app.finish_mail(bytea, uuid, uuid, integer, text) is
  'Records the outcome of an attempt: sent, retry, or another text when it is of no use to try again. Returns sent, retry or given_up; unknown when somebody else finished the mail.';

create or replace function app.remove_old_mails(batch integer) returns table (removed integer, unsent integer)
  language sql volatile security definer set search_path = pg_catalog, pg_temp
begin atomic
  with old as (
    delete from identity.mails where (user_id, id) in (
      select m.user_id, m.id from identity.mails m
      where m.created_at < now() - interval '1 day' order by m.created_at limit least(batch, 1000)
      for update skip locked)
    returning next_attempt_at
  )
  select count(*)::integer, count(old.next_attempt_at)::integer from old;
end;
comment on function app.remove_old_mails(integer) is
  'Removes mails a day after they were queued; returns how many, and how many of them were not sent.';

drop function identity.require_mail_sender(bytea);
grant execute on function app.register(uuid, text, text, text),
    app.change_account(text, text, text, text, uuid[], inet, text)
  to todo_api;
reset role;
revoke create on schema app, identity from todo_auth;
do $$
begin
  if current_setting('server_version_num')::integer < 160000 then
    execute format('revoke todo_auth from %I', current_user);
  end if;
exception when insufficient_privilege then
  raise warning 'The owner may not change its membership in todo_auth, and sees what todo_auth may see.';
end
$$;
