-- What the migrations add up to, dumped by pg_dump: to be read, not run. Made by `npm run db:schema`.

CREATE SCHEMA app;

COMMENT ON SCHEMA app IS 'The functions that policies and the API call.';

CREATE SCHEMA identity;

COMMENT ON SCHEMA identity IS 'Passwords, sessions and tokens. The API''s role cannot read a hash of any of them.';

CREATE FUNCTION app.add_mail_token(sender bytea, mail_user uuid, mail_id uuid, attempt integer, token_hash bytea) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION app.add_mail_token(sender bytea, mail_user uuid, mail_id uuid, attempt integer, token_hash bytea) IS 'Stores the hash of the token in a mail that is about to be sent; false when the mail must not be sent any more.';

CREATE FUNCTION app.authenticate(claimed_user uuid, claimed_session uuid, secret bytea, OUT scopes text[], OUT use_is_due boolean) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION app.authenticate(claimed_user uuid, claimed_session uuid, secret bytea, OUT scopes text[], OUT use_is_due boolean) IS 'Makes the credential''s user the user of this transaction: a session given its id and secret, or a personal access token given its secret. Returns its scopes (null when it is not valid) and whether its use should be noted.';

CREATE FUNCTION app.change_account(current_password_hash text, new_email text, new_email_folded text, new_password_hash text, confirm boolean, hidden boolean, event_ids uuid[], client_ip inet, client_user_agent text) RETURNS TABLE(id uuid, email text, email_verified_at timestamp with time zone, created_at timestamp with time zone)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION app.change_account(current_password_hash text, new_email text, new_email_folded text, new_password_hash text, confirm boolean, hidden boolean, event_ids uuid[], client_ip inet, client_user_agent text) IS 'Changes email, password or both of the transaction''s user, given the current password''s hash; no row when it is another. A new password ends every other session. With confirm, another email takes effect when app.verify_email gets the token that is mailed to it.';

CREATE FUNCTION app.check_quota(quota text, used bigint, allowed bigint) RETURNS bigint
    LANGUAGE plpgsql STABLE
    AS $$
begin
  if used > allowed then
    raise exception 'The quota % allows %.', quota, allowed using errcode = 'check_violation', constraint = quota;
  end if;
  return allowed - used;
end
$$;

COMMENT ON FUNCTION app.check_quota(quota text, used bigint, allowed bigint) IS 'Fails like a violated constraint of this name when more is used than allowed; otherwise returns what is left.';

CREATE FUNCTION app.claim_mails(sender bytea, previous_sender bytea, batch integer, lease_seconds integer) RETURNS TABLE(user_id uuid, id uuid, kind text, recipient text, params jsonb, attempts integer, created_at timestamp with time zone)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION app.claim_mails(sender bytea, previous_sender bytea, batch integer, lease_seconds integer) IS 'Hands mails that are due to a sender, which must finish each of them before the lease ends. The first secret that is used is remembered, until another one comes with it.';

CREATE FUNCTION app.confirm_totp(code_proof bytea, code_step bigint, recovery_hashes bytea[], event_id uuid, client_ip inet, client_user_agent text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION app.confirm_totp(code_proof bytea, code_step bigint, recovery_hashes bytea[], event_id uuid, client_ip inet, client_user_agent text) IS 'Turns on the second factor of the transaction''s user, given the proof of its seed, and ends every other session; false when there is no such seed, or the login is older than ten minutes.';

CREATE FUNCTION app.context(required_scope text DEFAULT NULL::text) RETURNS text[]
    LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL RESTRICTED
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  -- After a commit a custom setting is '', not null.
  sealed constant text := coalesce(current_setting('app.context', true), '');
  key_id constant text := split_part(sealed, ' ', 1);
  seal constant text := split_part(sealed, ' ', 2);
  fields constant text := substr(sealed, length(key_id) + length(seal) + 3);
  parts constant text[] := string_to_array(fields, ' ');
  expected text;
  key record;
begin
  if sealed = '' then return null; end if;
  select k.inner_block, k.outer_block into key
  from identity.secret_keys k where k.purpose = 'context' and k.id::text = key_id;
  expected := encode(identity.hmac(key.inner_block, key.outer_block, identity.context_binding() || ' ' || fields), 'hex');
  -- Hashes with the key are compared, so that the time that it takes tells nothing about the expected seal.
  if sha256(key.inner_block || convert_to(seal, 'UTF8')) = sha256(key.inner_block || convert_to(expected, 'UTF8')) then
    if required_scope is null or required_scope = any (parts[4:]) then return parts; end if;
  end if;
  return null;
end
$$;

COMMENT ON FUNCTION app.context(required_scope text) IS 'The fields of app.context (user, credential, login time, then the scopes); null unless app.authenticate sealed them in this transaction, and they hold the scope.';

CREATE TABLE identity.mails (
    user_id uuid NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL,
    recipient text NOT NULL,
    recipient_folded text NOT NULL,
    params jsonb NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    next_attempt_at timestamp with time zone DEFAULT now(),
    CONSTRAINT mails_kind_known CHECK ((kind = ANY (ARRAY['verify_email'::text, 'confirm_email'::text, 'reset_password'::text, 'already_registered'::text, 'login_from_new_device'::text, 'session_ended'::text, 'password_changed'::text, 'email_changed'::text, 'second_factor_changed'::text, 'token_created'::text]))),
    CONSTRAINT mails_params_size CHECK ((length((params)::text) <= 4000)),
    CONSTRAINT mails_recipient_length CHECK (((char_length(recipient) >= 3) AND (char_length(recipient) <= 254)))
);

ALTER TABLE ONLY identity.mails FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE identity.mails IS 'Outbox: mails are queued in the transaction of what they report, and kept for a day, which the limits need.';

COMMENT ON COLUMN identity.mails.recipient_folded IS 'The form in which addresses are compared, for the limit per address.';

COMMENT ON COLUMN identity.mails.params IS 'What the text needs. A token in it is encrypted by the API. Emptied when the mail has been sent or given up.';

COMMENT ON COLUMN identity.mails.attempts IS 'How often the mail was handed to a sender.';

COMMENT ON COLUMN identity.mails.expires_at IS 'After this time the mail is of no use and is not sent.';

COMMENT ON COLUMN identity.mails.next_attempt_at IS 'When it is due. A sender postpones it while it sends, so that another one takes over if it crashes. Null when the mail has been sent or given up.';

CREATE FUNCTION app.count_mails() RETURNS TABLE(waiting integer, oldest_seconds double precision)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT (count(*))::integer AS count,
     (COALESCE(EXTRACT(epoch FROM (now() - min(m.created_at))), (0)::numeric))::double precision AS "coalesce"
    FROM identity.mails m
   WHERE ((m.next_attempt_at IS NOT NULL) AND (m.expires_at > now()));
END;

COMMENT ON FUNCTION app.count_mails() IS 'How many mails wait to be sent, and the age of the oldest, for the metrics.';

CREATE FUNCTION app.credential_id() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL RESTRICTED
    RETURN ((app.context())[2])::uuid;

COMMENT ON FUNCTION app.credential_id() IS 'The session or personal access token that authenticated this transaction.';

CREATE FUNCTION app.delete_content() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  owner constant uuid := app.user_id('account');
begin
  -- The condition of users_delete_own: no content is deleted when the account is not.
  if owner is null or (app.logged_in_at() > now() - interval '10 minutes') is not true then return; end if;
  insert into identity.deleted_users (id) values (owner) on conflict do nothing;
  perform identity.delete_rows(owner);
end
$$;

COMMENT ON FUNCTION app.delete_content() IS 'Deletes all that the transaction''s user has stored, before the account is deleted in the same transaction; nothing unless the login is less than ten minutes old.';

CREATE TABLE identity.mail_tokens (
    user_id uuid NOT NULL,
    hash bytea NOT NULL,
    purpose text NOT NULL,
    email text NOT NULL,
    email_folded text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT mail_tokens_hash_sha256 CHECK ((length(hash) = 32)),
    CONSTRAINT mail_tokens_purpose_known CHECK ((purpose = ANY (ARRAY['reset_password'::text, 'verify_email'::text, 'undo_email'::text])))
);

ALTER TABLE ONLY identity.mail_tokens FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE identity.mail_tokens IS 'The tokens in mailed links, and in those that the operator passes on. Each works once.';

COMMENT ON COLUMN identity.mail_tokens.hash IS 'SHA-256 of the token''s secret, which exists only in the link.';

COMMENT ON COLUMN identity.mail_tokens.email IS 'The address that the mail was sent to: the one to confirm, or to restore. Empty for a link of the operator.';

COMMENT ON COLUMN identity.mail_tokens.created_at IS 'When the mail was queued, or the link made: undoing a change of the address also ends the links of later changes.';

CREATE FUNCTION identity.find_mail_token(token_user uuid, token_purpose text, token_secret bytea) RETURNS identity.mail_tokens
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT t.user_id,
     t.hash,
     t.purpose,
     t.email,
     t.email_folded,
     t.created_at,
     t.expires_at
    FROM identity.mail_tokens t
   WHERE ((t.user_id = find_mail_token.token_user) AND (t.hash = sha256(find_mail_token.token_secret)) AND (t.purpose = find_mail_token.token_purpose) AND (t.expires_at > now()));
END;

COMMENT ON FUNCTION identity.find_mail_token(token_user uuid, token_purpose text, token_secret bytea) IS 'The valid token of this purpose with this secret; null when there is none.';

CREATE TABLE public.users (
    id uuid NOT NULL,
    email text NOT NULL,
    email_folded text COLLATE pg_catalog."C",
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    email_verified_at timestamp with time zone,
    CONSTRAINT users_email_folded_ascii CHECK (
CASE
    WHEN ((email COLLATE "C") ~ '[^\u0001-\u007f]'::text) THEN (email_folded IS NOT NULL)
    ELSE (COALESCE(email_folded, lower((email COLLATE "C"))) = lower((email COLLATE "C")))
END),
    CONSTRAINT users_email_length CHECK (((char_length(email) >= 3) AND (char_length(email) <= 254)))
);

ALTER TABLE ONLY public.users FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.users IS 'One row per person. Everything that belongs to a user refers to this row and is deleted with it.';

COMMENT ON COLUMN public.users.id IS 'UUIDv7, generated by the API.';

COMMENT ON COLUMN public.users.email IS 'As typed.';

COMMENT ON COLUMN public.users.email_folded IS 'The form that emails are compared in, regardless of case and of how letters are composed. Written by the API; an ASCII email needs none.';

COMMENT ON COLUMN public.users.email_verified_at IS 'When the user proved to receive mail at this address; null until then.';

CREATE FUNCTION app.find_reset_email(token_user uuid, token_secret bytea) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT u.email
    FROM (identity.find_mail_token(find_reset_email.token_user, 'reset_password'::text, find_reset_email.token_secret) t(user_id, hash, purpose, email, email_folded, created_at, expires_at)
      JOIN public.users u ON ((u.id = t.user_id)));
END;

COMMENT ON FUNCTION app.find_reset_email(token_user uuid, token_secret bytea) IS 'The email of the account that a token to choose a new password is for; null when the token is not valid.';

CREATE FUNCTION app.finish_mail(sender bytea, mail_user uuid, mail_id uuid, attempt integer, outcome text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION app.finish_mail(sender bytea, mail_user uuid, mail_id uuid, attempt integer, outcome text) IS 'Records the outcome of an attempt: sent, retry, or another text when it is of no use to try again. Returns sent, retry or given_up; unknown when somebody else finished the mail.';

CREATE TABLE identity.secret_keys (
    purpose text NOT NULL,
    id integer NOT NULL,
    inner_block bytea NOT NULL,
    outer_block bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT secret_keys_block_length CHECK (((length(inner_block) = 64) AND (length(outer_block) = 64))),
    CONSTRAINT secret_keys_purpose_known CHECK ((purpose = ANY (ARRAY['context'::text, 'password_salt'::text, 'mail_sender'::text])))
);

ALTER TABLE ONLY identity.secret_keys FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE identity.secret_keys IS 'Keys that never leave the database: leave this table''s data out of dumps, and call app.rotate_context_key() after a restore.';

COMMENT ON COLUMN identity.secret_keys.purpose IS 'context: seals app.context; the newest one seals, those before it are still accepted. password_salt: makes up salts for unknown emails. mail_sender: SHA-512 of the secret that app.claim_mails requires, in both blocks.';

COMMENT ON COLUMN identity.secret_keys.inner_block IS 'The key, padded to a block of SHA-256 and combined with ipad (RFC 2104, section 2).';

COMMENT ON COLUMN identity.secret_keys.outer_block IS 'The same with opad.';

CREATE FUNCTION app.has_context_key() RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN (EXISTS (SELECT FROM identity.secret_keys WHERE (secret_keys.purpose = 'context'::text)));

COMMENT ON FUNCTION app.has_context_key() IS 'Whether there is a key: the API is ready only then.';

CREATE FUNCTION app.has_scope(scope text) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL RESTRICTED
    RETURN (app.context(scope) IS NOT NULL);

COMMENT ON FUNCTION app.has_scope(scope text) IS 'Whether this transaction''s credential has the scope.';

CREATE FUNCTION app.logged_in_at() RETURNS timestamp with time zone
    LANGUAGE sql STABLE PARALLEL RESTRICTED
    RETURN to_timestamp((NULLIF((app.context())[3], '-'::text))::double precision);

COMMENT ON FUNCTION app.logged_in_at() IS 'When this transaction''s session logged in; null for a personal access token.';

CREATE FUNCTION app.login(login_email_folded text, login_password_hash text, session_id uuid, session_secret_hash bytea, session_seconds integer, session_scopes text[], refresh_hash bytea, event_id uuid, client_ip inet, client_user_agent text, code_proof bytea, code_step bigint, recovery_code bytea, resealed_seed bytea, OUT user_id uuid, OUT outcome text, OUT sealed_seed bytea, OUT retry_after integer) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION app.login(login_email_folded text, login_password_hash text, session_id uuid, session_secret_hash bytea, session_seconds integer, session_scopes text[], refresh_hash bytea, event_id uuid, client_ip inet, client_user_agent text, code_proof bytea, code_step bigint, recovery_code bytea, resealed_seed bytea, OUT user_id uuid, OUT outcome text, OUT sealed_seed bytea, OUT retry_after integer) IS 'Opens a session with its first refresh token when the hash is that of the user''s password and, for a user with a second factor, the proof, a later time step or an unused recovery code is given. Returns nulls when email or password is wrong, otherwise the user and an outcome: opened, locked, code_required, code_wrong or code_limited, and the sealed seed of a second factor. Of more than 100 sessions the oldest end.';

CREATE FUNCTION app.maker_expires_at() RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE
    AS $$ begin return (select expires_at from identity.access_tokens where id = app.credential_id()); end $$;

COMMENT ON FUNCTION app.maker_expires_at() IS 'When the personal access token of this transaction expires; null when it never does, and for a session.';

CREATE FUNCTION app.maker_id() RETURNS uuid
    LANGUAGE plpgsql STABLE
    AS $$ begin return (select id from identity.access_tokens where id = app.credential_id()); end $$;

COMMENT ON FUNCTION app.maker_id() IS 'The personal access token of this transaction; null for a session.';

CREATE FUNCTION app.user_id(required_scope text DEFAULT NULL::text) RETURNS uuid
    LANGUAGE sql STABLE PARALLEL RESTRICTED
    RETURN ((app.context(required_scope))[1])::uuid;

COMMENT ON FUNCTION app.user_id(required_scope text) IS 'The user of this transaction; null when there is none, or the credential does not have the scope.';

CREATE TABLE identity.access_tokens (
    user_id uuid DEFAULT app.user_id() NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    hash bytea NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    last_used_at timestamp with time zone,
    expires_at timestamp with time zone,
    maker_id uuid DEFAULT app.maker_id(),
    maker_expires_at timestamp with time zone DEFAULT app.maker_expires_at(),
    CONSTRAINT access_tokens_expires_later CHECK ((expires_at > created_at)),
    CONSTRAINT access_tokens_expires_with_maker CHECK (((maker_expires_at IS NULL) OR ((expires_at IS NOT NULL) AND (expires_at <= maker_expires_at)))),
    CONSTRAINT access_tokens_hash_sha256 CHECK ((length(hash) = 32)),
    CONSTRAINT access_tokens_name_length CHECK (((char_length(name) >= 1) AND (char_length(name) <= 100))),
    CONSTRAINT access_tokens_scopes_known CHECK (((scopes <@ '{todos:read,todos:write,account}'::text[]) AND (cardinality(scopes) > 0)))
);

ALTER TABLE ONLY identity.access_tokens FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE identity.access_tokens IS 'Personal access tokens, for scripts. A token is shown once, when it is created.';

COMMENT ON COLUMN identity.access_tokens.hash IS 'SHA-256 of the token''s secret.';

COMMENT ON COLUMN identity.access_tokens.last_used_at IS 'To the minute; null when it was never used.';

COMMENT ON COLUMN identity.access_tokens.expires_at IS 'Null when the token never expires.';

COMMENT ON COLUMN identity.access_tokens.maker_id IS 'The personal access token that created it; null when a session did.';

COMMENT ON COLUMN identity.access_tokens.maker_expires_at IS 'When its maker expires.';

CREATE TABLE identity.sessions (
    user_id uuid NOT NULL,
    id uuid NOT NULL,
    secret_hash bytea NOT NULL,
    scopes text[] NOT NULL,
    ip inet,
    user_agent text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    last_used_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT sessions_scopes_known CHECK ((scopes <@ '{todos:read,todos:write,account}'::text[])),
    CONSTRAINT sessions_secret_hash_sha256 CHECK ((length(secret_hash) = 32)),
    CONSTRAINT sessions_user_agent_length CHECK ((char_length(user_agent) <= 512))
);

ALTER TABLE ONLY identity.sessions FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE identity.sessions IS 'One row per login. An access token works only while its session exists.';

COMMENT ON COLUMN identity.sessions.secret_hash IS 'SHA-256 of the secret that every token of the session carries; the session''s id alone does not authenticate.';

COMMENT ON COLUMN identity.sessions.scopes IS 'What the session''s tokens may do.';

COMMENT ON COLUMN identity.sessions.created_at IS 'Time of the login.';

COMMENT ON COLUMN identity.sessions.last_used_at IS 'To the minute.';

COMMENT ON COLUMN identity.sessions.expires_at IS 'Postponed by each refresh.';

CREATE FUNCTION app.note_use() RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 UPDATE identity.sessions SET last_used_at = now()
   WHERE ((sessions.user_id = app.user_id()) AND (sessions.id = app.credential_id()));
 UPDATE identity.access_tokens SET last_used_at = now()
   WHERE ((access_tokens.user_id = app.user_id()) AND (access_tokens.id = app.credential_id()));
END;

COMMENT ON FUNCTION app.note_use() IS 'Writes last_used_at of this transaction''s credential. Separate from the request, which may be read only and must not wait.';

CREATE FUNCTION app.notify_token_created(token_name text, client_ip inet, client_user_agent text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if app.user_id('account') is null then return false; end if;
  return identity.queue_mail(app.user_id(), 'token_created', null,
    jsonb_build_object('name', token_name, 'ip', host(client_ip), 'user_agent', client_user_agent));
end
$$;

COMMENT ON FUNCTION app.notify_token_created(token_name text, client_ip inet, client_user_agent text) IS 'Queues a mail to the transaction''s user about a new personal access token.';

CREATE FUNCTION app.operate_on_user(command text, user_email_folded text, reset_hash bytea, event_id uuid) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION app.operate_on_user(command text, user_email_folded text, reset_hash bytea, event_id uuid) IS 'What npm run users does to a user, with an event: lock, unlock, end-sessions, reset-password (which stores the hash of a token to choose a new one), reset-totp or delete. Returns the user; null when the email is unknown.';

CREATE FUNCTION app.password_salt(login_email_folded text, cost integer) RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
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
$_$;

COMMENT ON FUNCTION app.password_salt(login_email_folded text, cost integer) IS 'Version, cost and salt (29 characters) of the bcrypt hash of this email''s user, or a made-up one of this cost.';

CREATE FUNCTION app.refresh(token_user uuid, session_secret bytea, token_secret bytea, new_seed bytea, new_hash bytea, session_seconds integer, session_max_seconds integer, event_id uuid, client_ip inet, client_user_agent text, OUT session_id uuid, OUT scopes text[], OUT seed bytea) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION app.refresh(token_user uuid, session_secret bytea, token_secret bytea, new_seed bytea, new_hash bytea, session_seconds integer, session_max_seconds integer, event_id uuid, client_ip inet, client_user_agent text, OUT session_id uuid, OUT scopes text[], OUT seed bytea) IS 'Spends a refresh token and returns its session and the seed of its successor; nulls when it is not valid. The session ends at the latest that many seconds after its login. Reusing a token more than 10 seconds after it was spent ends the session.';

CREATE FUNCTION app.register(new_id uuid, new_email text, new_email_folded text, new_password_hash text, verify boolean, hidden boolean, request_id uuid, client_ip inet, client_user_agent text) RETURNS TABLE(id uuid, email text, email_verified_at timestamp with time zone, created_at timestamp with time zone)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION app.register(new_id uuid, new_email text, new_email_folded text, new_password_hash text, verify boolean, hidden boolean, request_id uuid, client_ip inet, client_user_agent text) IS 'Adds a user with a password, and mails a link to confirm the address. A taken email violates users_email_key or, when that is to stay hidden, mails its owner and returns no row.';

CREATE TABLE identity.credentials (
    user_id uuid NOT NULL,
    password_hash text NOT NULL,
    CONSTRAINT credentials_password_hash_bcrypt CHECK ((password_hash ~ '^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$'::text))
);

ALTER TABLE ONLY identity.credentials FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE identity.credentials IS 'A user''s password as a bcrypt hash. The API''s role cannot read it, and no function returns it.';

CREATE FUNCTION app.rehash(old_password_hash text, new_password_hash text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 UPDATE identity.credentials SET password_hash = rehash.new_password_hash
   WHERE ((credentials.user_id = app.user_id('account'::text)) AND (credentials.password_hash = rehash.old_password_hash) AND (app.logged_in_at() > (now() - '00:01:00'::interval)));
END;

COMMENT ON FUNCTION app.rehash(old_password_hash text, new_password_hash text) IS 'Replaces the hash of the transaction''s user by one of another cost for the same password, just after a login.';

CREATE FUNCTION app.remove_changes(batch integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  removed integer;
  newest xid8;
begin
  with old as (
    delete from public.todo_changes where (user_id, xid, todo_id, version) in
      (select user_id, xid, todo_id, version from public.todo_changes
       where changed_at < now() - interval '30 days' limit least(batch, 1000))
    returning xid
  )
  -- A row of an older history may have a number that this one has not reached.
  select count(*), max(old.xid) filter (where old.xid < pg_snapshot_xmin(pg_current_snapshot())) into removed, newest
  from old;
  if newest is not null then
    insert into public.sync_horizons as h (epoch, xid) values (identity.sync_epoch(), newest)
    on conflict on constraint sync_horizons_pkey do update set xid = greatest(h.xid, excluded.xid);
  end if;
  return removed;
end
$$;

COMMENT ON FUNCTION app.remove_changes(batch integer) IS 'Removes recorded changes after 30 days, at most that many and never more than 1,000, and returns how many were removed.';

CREATE FUNCTION app.remove_expired(batch integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION app.remove_expired(batch integer) IS 'Removes expired rows, at most that many of each kind and never more than 1,000, and returns how many were removed.';

CREATE FUNCTION app.remove_old_mails(batch integer) RETURNS TABLE(removed integer, unsent integer)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 WITH old AS (
          DELETE FROM identity.mails
           WHERE ((mails.user_id, mails.id) IN ( SELECT m.user_id,
                     m.id
                    FROM identity.mails m
                   WHERE (m.created_at < (now() - '1 day'::interval))
                   ORDER BY m.created_at
                  LIMIT LEAST(remove_old_mails.batch, 1000)
                  FOR UPDATE OF m SKIP LOCKED))
           RETURNING mails.next_attempt_at
         ), expired AS (
          DELETE FROM identity.mail_tokens
           WHERE ((mail_tokens.user_id, mail_tokens.hash) IN ( SELECT t.user_id,
                     t.hash
                    FROM identity.mail_tokens t
                   WHERE (t.expires_at < now())
                   ORDER BY t.expires_at
                  LIMIT LEAST(remove_old_mails.batch, 1000)))
         )
  SELECT (count(*))::integer AS count,
     (count(old.next_attempt_at))::integer AS count
    FROM old;
END;

COMMENT ON FUNCTION app.remove_old_mails(batch integer) IS 'Removes mails a day after they were queued, and expired tokens; returns how many mails, and how many of them were not sent.';

CREATE FUNCTION app.remove_orphans(batch integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  own_context constant text := coalesce(current_setting('app.context', true), '');
  gone uuid;
  removed integer := 0;
begin
  -- A limit that no caller can raise, as in app.remove_expired.
  for gone in
    select d.id from identity.deleted_users d
    where d.deleted_at < now() - interval '1 hour'
    order by d.deleted_at limit least(batch, 100)
  loop
    -- app.delete_content may have been called without deleting the account.
    if not exists (select from public.users u where u.id = gone) then
      -- The policies let todo_auth delete the rows of the transaction's user only.
      -- By PERFORM of a function: outside a transaction block, Citus passes a SET LOCAL on to its nodes only from within
      -- a query of a function.
      perform identity.set_context(identity.sealed_context(gone, gone, null, '{account}'));
      removed := removed + identity.delete_rows(gone);
    end if;
    delete from identity.deleted_users d where d.id = gone;
    removed := removed + 1;
  end loop;
  perform identity.set_context(own_context);
  return removed;
end
$$;

COMMENT ON FUNCTION app.remove_orphans(batch integer) IS 'Removes what writes left behind that committed after their account was deleted, for at most that many accounts and never more than 100, an hour after the deletion. Returns the number of removed rows, the record of the account among them.';

CREATE FUNCTION app.remove_totp(current_password_hash text, event_id uuid, client_ip inet, client_user_agent text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION app.remove_totp(current_password_hash text, event_id uuid, client_ip inet, client_user_agent text) IS 'Turns off the second factor of the transaction''s user, given the current password''s hash and a login within ten minutes. Returns removed, login_required, wrong_password or not_found.';

CREATE FUNCTION app.remove_trash(batch integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  removed integer;
  rows constant integer := least(batch, 1000);
begin
  delete from public.trashed_todos where (user_id, id) in
    (select user_id, id from public.trashed_todos where expires_at < now() order by expires_at limit rows);
  get diagnostics removed = row_count;
  return removed;
end
$$;

COMMENT ON FUNCTION app.remove_trash(batch integer) IS 'Removes expired todos from the trash, at most that many and never more than 1,000, and returns how many were removed.';

CREATE TABLE identity.mail_requests (
    id uuid NOT NULL,
    kind text NOT NULL,
    email_folded text NOT NULL,
    ip inet,
    user_agent text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT mail_requests_kind_known CHECK ((kind = ANY (ARRAY['reset_password'::text, 'already_registered'::text]))),
    CONSTRAINT mail_requests_user_agent_length CHECK ((char_length(user_agent) <= 512))
);

ALTER TABLE ONLY identity.mail_requests FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE identity.mail_requests IS 'Requests for a mail to an address that may have no account. The sender looks for the account later, so that the request takes the same time for every address.';

COMMENT ON COLUMN identity.mail_requests.id IS 'Also the id of the event, if there is an account.';

CREATE FUNCTION app.request_password_reset(request_id uuid, for_email_folded text, client_ip inet, client_user_agent text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 INSERT INTO identity.mail_requests (id, kind, email_folded, ip, user_agent)
   VALUES (request_password_reset.request_id, 'reset_password'::text, request_password_reset.for_email_folded, request_password_reset.client_ip, request_password_reset.client_user_agent);
END;

COMMENT ON FUNCTION app.request_password_reset(request_id uuid, for_email_folded text, client_ip inet, client_user_agent text) IS 'Notes that somebody forgot a password. app.claim_mails looks for the account.';

CREATE FUNCTION app.require_verified_email() RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if not exists (select from public.users u where u.id = app.user_id() and u.email_verified_at is not null) then
    raise exception 'the email is not verified' using errcode = 'check_violation', constraint = 'users_email_verified';
  end if;
end
$$;

COMMENT ON FUNCTION app.require_verified_email() IS 'Violates users_email_verified unless the transaction''s user has confirmed the address.';

CREATE FUNCTION app.reset_password(token_user uuid, token_secret bytea, new_password_hash text, revoke_tokens boolean, event_id uuid, client_ip inet, client_user_agent text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION app.reset_password(token_user uuid, token_secret bytea, new_password_hash text, revoke_tokens boolean, event_id uuid, client_ip inet, client_user_agent text) IS 'Sets a new password given a mailed token or one of the operator, and ends every session, with revoke_tokens also the personal access tokens; false when the token is not valid.';

CREATE FUNCTION app.rotate_context_key() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  -- A key stays for five minutes after a newer one was made, for the transactions that it has sealed.
  delete from identity.secret_keys k where k.purpose = 'context' and exists (
    select from identity.secret_keys l
    where l.purpose = 'context' and l.id > k.id and l.created_at < now() - interval '5 minutes');
  perform identity.add_key('context');
  if not exists (select from identity.secret_keys k where k.purpose = 'password_salt') then
    perform identity.add_key('password_salt');
  end if;
  -- The API's next attempt to send mails makes itself known again.
  delete from identity.secret_keys k where k.purpose = 'mail_sender';
end
$$;

COMMENT ON FUNCTION app.rotate_context_key() IS 'Makes a new key for app.context, and removes those that were replaced more than five minutes ago: requests can go on meanwhile. Also forgets which secret sends mails.';

CREATE TABLE public.schema_migrations (
    version character varying(128) NOT NULL
);

ALTER TABLE ONLY public.schema_migrations FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.schema_migrations IS 'The migrations that have been applied. Written by dbmate.';

CREATE FUNCTION app.schema_version() RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN (SELECT max((schema_migrations.version)::text) AS max FROM public.schema_migrations);

COMMENT ON FUNCTION app.schema_version() IS 'The newest applied migration. The API is ready only when it is the one it was built for.';

CREATE FUNCTION app.scopes() RETURNS text[]
    LANGUAGE sql STABLE PARALLEL RESTRICTED
    RETURN (app.context())[4:];

COMMENT ON FUNCTION app.scopes() IS 'The scopes of this transaction''s credential.';

CREATE FUNCTION app.send_verification() RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION app.send_verification() IS 'Mails the transaction''s user a link to confirm the address: queued, verified when it is confirmed already, or limited.';

CREATE TABLE identity.locked_users (
    user_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE ONLY identity.locked_users FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE identity.locked_users IS 'The users whom the operator has locked: they cannot log in, refresh or use a token.';

CREATE TABLE identity.recovery_codes (
    user_id uuid NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT recovery_codes_hash_sha256 CHECK ((length(hash) = 32))
);

ALTER TABLE ONLY identity.recovery_codes FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE identity.recovery_codes IS 'Codes that replace the authenticator app, each once.';

COMMENT ON COLUMN identity.recovery_codes.hash IS 'SHA-256 of the code, which has 120 random bits.';

CREATE TABLE identity.totp_seeds (
    user_id uuid NOT NULL,
    sealed_seed bytea NOT NULL,
    proof_hash bytea NOT NULL,
    confirmed_at timestamp with time zone,
    last_step bigint DEFAULT 0 NOT NULL,
    failures integer DEFAULT 0 NOT NULL,
    failures_since timestamp with time zone DEFAULT now() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT totp_seeds_proof_hash_sha256 CHECK ((length(proof_hash) = 32)),
    CONSTRAINT totp_seeds_sealed_seed_length CHECK (((length(sealed_seed) >= 40) AND (length(sealed_seed) <= 100)))
);

ALTER TABLE ONLY identity.totp_seeds FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE identity.totp_seeds IS 'The seed of a user''s authenticator app. Not in use before it is confirmed by a code.';

COMMENT ON COLUMN identity.totp_seeds.sealed_seed IS 'Encrypted by the API with AES-256-GCM and a key from its environment, TOTP_KEY.';

COMMENT ON COLUMN identity.totp_seeds.proof_hash IS 'SHA-256 of an HMAC under the seed: the API proves with it that it has the seed, and so the key.';

COMMENT ON COLUMN identity.totp_seeds.last_step IS 'The time step of the last code that was used: a code works once.';

COMMENT ON COLUMN identity.totp_seeds.failures IS 'Wrong codes since failures_since: five in 15 minutes are allowed.';

CREATE FUNCTION app.show_user(user_email_folded text) RETURNS TABLE(id uuid, email text, created_at timestamp with time zone, locked_at timestamp with time zone, totp_since timestamp with time zone, recovery_codes bigint, sessions bigint, last_used_at timestamp with time zone, access_tokens bigint)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT u.id,
     u.email,
     u.created_at,
     l.created_at,
     t.confirmed_at,
     ( SELECT count(*) AS count
            FROM identity.recovery_codes r
           WHERE (r.user_id = u.id)) AS count,
     ( SELECT count(*) AS count
            FROM identity.sessions s
           WHERE ((s.user_id = u.id) AND (s.expires_at > now()))) AS count,
     ( SELECT max(s.last_used_at) AS max
            FROM identity.sessions s
           WHERE (s.user_id = u.id)) AS max,
     ( SELECT count(*) AS count
            FROM identity.access_tokens a
           WHERE ((a.user_id = u.id) AND ((a.expires_at IS NULL) OR (a.expires_at > now())))) AS count
    FROM ((public.users u
      LEFT JOIN identity.locked_users l ON ((l.user_id = u.id)))
      LEFT JOIN identity.totp_seeds t ON ((t.user_id = u.id)))
   WHERE (COALESCE(u.email_folded, lower((u.email COLLATE "C"))) = show_user.user_email_folded);
END;

COMMENT ON FUNCTION app.show_user(user_email_folded text) IS 'What npm run users shows of a user: no secrets and no content.';

CREATE TABLE public.todo_changes (
    user_id uuid DEFAULT app.user_id() NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    todo_id uuid NOT NULL,
    version integer NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE ONLY public.todo_changes FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.todo_changes IS 'Which transaction wrote which todo, for 30 days. Read by clients that keep a copy of their todos.';

COMMENT ON COLUMN public.todo_changes.xid IS 'The number of the transaction that wrote the todo.';

COMMENT ON COLUMN public.todo_changes.version IS 'The version that it wrote; negative when it deleted the todo.';

CREATE FUNCTION identity.sync_epoch() RETURNS text
    LANGUAGE sql STABLE PARALLEL RESTRICTED
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN (SELECT concat_ws('.'::text, s.system_identifier, substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8), (SELECT d.oid FROM pg_database d WHERE (d.datname = current_database())), ('public.todo_changes'::regclass)::oid) AS concat_ws FROM pg_control_system() s(pg_control_version, catalog_version_no, system_identifier, pg_control_last_modified));

COMMENT ON FUNCTION identity.sync_epoch() IS 'Names the history in which transaction numbers can be compared.';

CREATE TABLE public.sync_horizons (
    epoch text NOT NULL,
    xid xid8 NOT NULL
);

ALTER TABLE ONLY public.sync_horizons FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.sync_horizons IS 'Up to which transaction changes may have been removed.';

COMMENT ON COLUMN public.sync_horizons.epoch IS 'app.sync_state() of the time: after a restore the numbers of transactions mean something else.';

CREATE FUNCTION app.sync_state(OUT epoch text, OUT horizon xid8, OUT xmin xid8) RETURNS record
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL RESTRICTED
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT e.epoch,
     COALESCE(h.xid, '0'::xid8) AS "coalesce",
     pg_snapshot_xmin(pg_current_snapshot()) AS pg_snapshot_xmin
    FROM (( SELECT identity.sync_epoch() AS epoch) e
      LEFT JOIN public.sync_horizons h ON ((h.epoch = e.epoch)));
END;

COMMENT ON FUNCTION app.sync_state(OUT epoch text, OUT horizon xid8, OUT xmin xid8) IS 'The history that transaction numbers belong to, the last of which changes may be missing, and the oldest that is still running.';

CREATE FUNCTION app.undo_email_change(token_user uuid, token_secret bytea, event_id uuid, client_ip inet, client_user_agent text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION app.undo_email_change(token_user uuid, token_secret bytea, event_id uuid, client_ip inet, client_user_agent text) IS 'Restores the address that a token was mailed to, and ends every session; false when the token is not valid.';

CREATE FUNCTION app.verify_email(token_user uuid, token_secret bytea, event_id uuid, client_ip inet, client_user_agent text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION app.verify_email(token_user uuid, token_secret bytea, event_id uuid, client_ip inet, client_user_agent text) IS 'Confirms the address that a token was mailed to. When it is a new one, it becomes the user''s, and the old one is mailed a link to undo that; false when the token is not valid.';

CREATE FUNCTION identity.add_key(new_purpose text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  -- 366 random bits from the server's strong generator.
  key constant bytea := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
  ipad bytea := decode(repeat('36', 64), 'hex');
  opad bytea := decode(repeat('5c', 64), 'hex');
begin
  for n in 0..31 loop
    ipad := set_byte(ipad, n, get_byte(key, n) # 54);
    opad := set_byte(opad, n, get_byte(key, n) # 92);
  end loop;
  insert into identity.secret_keys (purpose, id, inner_block, outer_block)
  select new_purpose, coalesce(max(k.id), 0) + 1, ipad, opad from identity.secret_keys k where k.purpose = new_purpose;
end
$$;

COMMENT ON FUNCTION identity.add_key(new_purpose text) IS 'Makes a new key for a purpose.';

CREATE FUNCTION identity.context_binding() RETURNS text
    LANGUAGE sql STABLE PARALLEL RESTRICTED
    RETURN (((pg_backend_pid())::text || ' '::text) || (EXTRACT(epoch FROM now()))::text);

COMMENT ON FUNCTION identity.context_binding() IS 'What a seal is valid for: this transaction of this backend.';

CREATE FUNCTION identity.delete_rows(owner uuid) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  name regclass;
  deleted integer;
  total integer := 0;
begin
  -- Newer tables may refer to older ones, so they come first. A table that gives todo_auth no DELETE is left to its
  -- foreign key; db/citus.sql gives it for every table that it distributes.
  for name in
    select i.indrelid from pg_index i
    join pg_class c on c.oid = i.indrelid
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
    where i.indisprimary and a.attname = 'user_id' and c.relnamespace = 'public'::regnamespace
      and not c.relispartition and has_table_privilege(i.indrelid, 'DELETE')
    order by i.indrelid desc
  loop
    execute format('delete from %s where user_id = $1', name) using owner;
    get diagnostics deleted = row_count;
    total := total + deleted;
  end loop;
  return total;
end
$_$;

COMMENT ON FUNCTION identity.delete_rows(owner uuid) IS 'Deletes a user''s rows in every table of the schema public whose primary key starts with user_id, and returns how many. The policies allow it for the transaction''s user only.';

CREATE FUNCTION identity.hmac(inner_block bytea, outer_block bytea, message text) RETURNS bytea
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN sha256((outer_block || sha256((inner_block || convert_to(message, 'UTF8'::name)))));

COMMENT ON FUNCTION identity.hmac(inner_block bytea, outer_block bytea, message text) IS 'HMAC-SHA-256 (RFC 2104).';

CREATE FUNCTION identity.queue_mail(mail_user uuid, mail_kind text, mail_to text, mail_params jsonb, mail_to_folded text DEFAULT NULL::text) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  address text := mail_to;
  folded text := coalesce(mail_to_folded, lower(mail_to collate "C"));
begin
  if mail_to is null then
    select u.email, coalesce(u.email_folded, lower(u.email collate "C")) into address, folded
    from public.users u where u.id = mail_user;
  end if;
  -- By kind, so that nobody can use up the limit of the warnings with mails of another kind.
  if exists (
    select from (
      select 'account' as counted_by, m.created_at from identity.mails m
      where m.user_id = mail_user and m.kind = mail_kind
      union all
      select 'address', m.created_at from identity.mails m
      where m.recipient_folded = folded and m.kind = mail_kind
    ) as earlier
    where earlier.created_at > now() - interval '1 day'
    group by earlier.counted_by
    having count(*) >= 20 or count(*) filter (where earlier.created_at > now() - interval '1 hour') >= 5
  ) then return false; end if;
  insert into identity.mails (user_id, id, kind, recipient, recipient_folded, params, expires_at)
  values (mail_user, gen_random_uuid(), mail_kind, address, folded, coalesce(mail_params, '{}'),
          now() + case mail_kind when 'reset_password' then interval '30 minutes' else interval '1 day' end);
  return true;
end
$$;

COMMENT ON FUNCTION identity.queue_mail(mail_user uuid, mail_kind text, mail_to text, mail_params jsonb, mail_to_folded text) IS 'Queues a mail, to the user''s current address unless another one is given; false when the account or the address has had 5 mails of the kind in an hour or 20 in a day. For definer functions only.';

CREATE FUNCTION identity.require_mail_sender(sender bytea) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if not exists (
    select from identity.secret_keys k where k.purpose = 'mail_sender' and k.inner_block = sha512(sender)
  ) then
    raise exception 'another sender is known' using errcode = 'insufficient_privilege';
  end if;
end
$$;

COMMENT ON FUNCTION identity.require_mail_sender(sender bytea) IS 'Refuses whoever does not know the secret of the API that sends mails.';

CREATE FUNCTION identity.sealed_context(user_id uuid, credential_id uuid, logged_in_at timestamp with time zone, scopes text[]) RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  key record;
  fields constant text := concat_ws(' ', user_id, credential_id, coalesce(extract(epoch from logged_in_at)::text, '-'),
    array_to_string(scopes, ' '));
begin
  select k.id, k.inner_block, k.outer_block into key
  from identity.secret_keys k where k.purpose = 'context' order by k.id desc limit 1;
  -- Fail closed: without a key there is no context.
  if not found then return ''; end if;
  return concat_ws(' ', key.id,
    encode(identity.hmac(key.inner_block, key.outer_block, identity.context_binding() || ' ' || fields), 'hex'), fields);
end
$$;

COMMENT ON FUNCTION identity.sealed_context(user_id uuid, credential_id uuid, logged_in_at timestamp with time zone, scopes text[]) IS 'A value for app.context. Only todo_auth may call it.';

CREATE FUNCTION identity.set_context(context text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$ begin execute format('set local app.context = %L', context); end $$;

COMMENT ON FUNCTION identity.set_context(context text) IS 'Sets app.context for the rest of the transaction.';

CREATE TABLE identity.deleted_users (
    id uuid NOT NULL,
    deleted_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE ONLY identity.deleted_users FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE identity.deleted_users IS 'The ids of accounts that were deleted within about an hour, for app.remove_orphans.';

CREATE TABLE identity.events (
    user_id uuid DEFAULT app.user_id() NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL,
    subject_id uuid,
    ip inet,
    user_agent text,
    count integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT events_count_positive CHECK ((count > 0)),
    CONSTRAINT events_kind_known CHECK ((kind = ANY (ARRAY['login'::text, 'login_failed'::text, 'refresh_reused'::text, 'password_changed'::text, 'email_changed'::text, 'token_created'::text, 'token_revoked'::text, 'password_reset_requested'::text, 'password_reset'::text, 'email_verified'::text, 'email_change_requested'::text, 'email_change_undone'::text, 'totp_enabled'::text, 'totp_disabled'::text, 'totp_failed'::text, 'recovery_code_used'::text, 'operator_locked'::text, 'operator_unlocked'::text, 'operator_ended_sessions'::text, 'operator_reset_password'::text, 'operator_reset_totp'::text]))),
    CONSTRAINT events_user_agent_length CHECK ((char_length(user_agent) <= 512))
);

ALTER TABLE ONLY identity.events FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE identity.events IS 'Account activity, for its user to read. Holds no secrets; deleted with the account.';

COMMENT ON COLUMN identity.events.subject_id IS 'The session or token that the event is about.';

COMMENT ON COLUMN identity.events.count IS 'How often: more than 1 where further failed logins of the hour are counted.';

CREATE TABLE identity.refresh_tokens (
    user_id uuid NOT NULL,
    hash bytea NOT NULL,
    session_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    spent_at timestamp with time zone,
    successor_seed bytea,
    CONSTRAINT refresh_tokens_hash_sha256 CHECK ((length(hash) = 32)),
    CONSTRAINT refresh_tokens_spent_has_successor CHECK (((spent_at IS NULL) = (successor_seed IS NULL)))
);

ALTER TABLE ONLY identity.refresh_tokens FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE identity.refresh_tokens IS 'The refresh tokens of a session, including spent ones: reusing a spent token ends the session.';

COMMENT ON COLUMN identity.refresh_tokens.hash IS 'SHA-256 of the token''s secret.';

COMMENT ON COLUMN identity.refresh_tokens.successor_seed IS 'Random. The next token is derived from it and the spent token''s secret, which is not stored: a retry returns the same token, so a session has only one chain of tokens.';

CREATE TABLE public.idempotency_keys (
    user_id uuid DEFAULT app.user_id() NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    result jsonb,
    expires_at timestamp with time zone DEFAULT (now() + '24:00:00'::interval) NOT NULL,
    CONSTRAINT idempotency_keys_fingerprint_sha256 CHECK ((length(fingerprint) = 32)),
    CONSTRAINT idempotency_keys_key_length CHECK (((char_length(key) >= 1) AND (char_length(key) <= 255)))
);

ALTER TABLE ONLY public.idempotency_keys FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.idempotency_keys IS 'The result of each write with an Idempotency-Key. Written in the transaction of the write, so that a retry finds both or neither.';

COMMENT ON COLUMN public.idempotency_keys.fingerprint IS 'SHA-256 of method, path and body: another request with the same key is rejected.';

COMMENT ON COLUMN public.idempotency_keys.result IS 'The rows that the write returned; a retry gets the same response.';

CREATE TABLE public.todos (
    user_id uuid DEFAULT app.user_id() NOT NULL,
    id uuid NOT NULL,
    title text NOT NULL,
    notes text,
    folded_title text DEFAULT ''::text NOT NULL,
    folded_notes text,
    completed boolean DEFAULT false NOT NULL,
    completed_at timestamp with time zone,
    due_at timestamp with time zone,
    priority smallint DEFAULT 0 NOT NULL,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    "position" integer DEFAULT 0 NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT todos_completed_at_agrees CHECK ((completed = (completed_at IS NOT NULL))),
    CONSTRAINT todos_notes_length CHECK ((char_length(notes) <= 10000)),
    CONSTRAINT todos_priority_range CHECK (((priority >= 0) AND (priority <= 3))),
    CONSTRAINT todos_tags_count CHECK ((cardinality(tags) <= 20)),
    CONSTRAINT todos_title_length CHECK ((char_length(title) <= 200)),
    CONSTRAINT todos_title_not_blank CHECK ((btrim(title) <> ''::text))
)
WITH (fillfactor='90');

ALTER TABLE ONLY public.todos FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.todos IS 'The todos of all users; the policies show each user their own.';

COMMENT ON COLUMN public.todos.user_id IS 'The owner. Set by its default, app.user_id(), and nothing else.';

COMMENT ON COLUMN public.todos.id IS 'UUIDv7, generated by the API: later todos have greater ids.';

COMMENT ON COLUMN public.todos.folded_title IS 'The title without case and accents, written by the API with the title: searched with LIKE, and sorted by.';

COMMENT ON COLUMN public.todos.folded_notes IS 'The same of the notes.';

COMMENT ON COLUMN public.todos.priority IS '0 none, 1 low, 2 medium, 3 high.';

COMMENT ON COLUMN public.todos."position" IS 'The user''s own order.';

COMMENT ON COLUMN public.todos.version IS 'Increases by one with every change.';

CREATE TABLE public.trashed_todos (
    user_id uuid DEFAULT app.user_id() NOT NULL,
    id uuid NOT NULL,
    title text NOT NULL,
    notes text,
    folded_title text NOT NULL,
    folded_notes text,
    completed boolean NOT NULL,
    completed_at timestamp with time zone,
    due_at timestamp with time zone,
    priority smallint NOT NULL,
    tags text[] NOT NULL,
    "position" integer NOT NULL,
    version integer NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone DEFAULT (now() + '30 days'::interval) NOT NULL
);

ALTER TABLE ONLY public.trashed_todos FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.trashed_todos IS 'Deleted todos, until their user restores them or they expire. Never read together with todos.';

COMMENT ON COLUMN public.trashed_todos.version IS 'When it was deleted; a restored todo continues from it.';

COMMENT ON COLUMN public.trashed_todos.expires_at IS 'Written by the API, TRASH_DAYS after the deletion.';

ALTER TABLE ONLY identity.totp_seeds
    ADD CONSTRAINT totp_seeds_pkey PRIMARY KEY (user_id);

CREATE FUNCTION app.start_totp(new_sealed_seed bytea, new_proof_hash bytea) RETURNS boolean
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 INSERT INTO identity.totp_seeds AS t (user_id, sealed_seed, proof_hash)  SELECT app.user_id('account'::text) AS user_id,
             start_totp.new_sealed_seed AS new_sealed_seed,
             start_totp.new_proof_hash AS new_proof_hash
           WHERE (app.logged_in_at() > (now() - '00:10:00'::interval)) ON CONFLICT ON CONSTRAINT totp_seeds_pkey DO UPDATE SET sealed_seed = excluded.sealed_seed, proof_hash = excluded.proof_hash
   WHERE (t.confirmed_at IS NULL)
   RETURNING true;
END;

COMMENT ON FUNCTION app.start_totp(new_sealed_seed bytea, new_proof_hash bytea) IS 'Stores a seed that is not confirmed yet for the transaction''s user, in place of another such; null when the login is older than ten minutes or a seed is confirmed.';

ALTER TABLE ONLY identity.access_tokens
    ADD CONSTRAINT access_tokens_hash_key UNIQUE (user_id, hash);

ALTER TABLE ONLY identity.access_tokens
    ADD CONSTRAINT access_tokens_pkey PRIMARY KEY (user_id, id);

ALTER TABLE ONLY identity.credentials
    ADD CONSTRAINT credentials_pkey PRIMARY KEY (user_id);

ALTER TABLE ONLY identity.deleted_users
    ADD CONSTRAINT deleted_users_pkey PRIMARY KEY (id);

ALTER TABLE ONLY identity.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (user_id, id);

ALTER TABLE ONLY identity.locked_users
    ADD CONSTRAINT locked_users_pkey PRIMARY KEY (user_id);

ALTER TABLE ONLY identity.mail_requests
    ADD CONSTRAINT mail_requests_pkey PRIMARY KEY (id);

ALTER TABLE ONLY identity.mail_tokens
    ADD CONSTRAINT mail_tokens_pkey PRIMARY KEY (user_id, hash);

ALTER TABLE ONLY identity.mails
    ADD CONSTRAINT mails_pkey PRIMARY KEY (user_id, id);

ALTER TABLE ONLY identity.recovery_codes
    ADD CONSTRAINT recovery_codes_pkey PRIMARY KEY (user_id, hash);

ALTER TABLE ONLY identity.refresh_tokens
    ADD CONSTRAINT refresh_tokens_pkey PRIMARY KEY (user_id, hash);

ALTER TABLE ONLY identity.secret_keys
    ADD CONSTRAINT secret_keys_pkey PRIMARY KEY (purpose, id);

ALTER TABLE ONLY identity.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (user_id, id);

ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (user_id, key);

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);

ALTER TABLE ONLY public.sync_horizons
    ADD CONSTRAINT sync_horizons_pkey PRIMARY KEY (epoch);

ALTER TABLE ONLY public.todo_changes
    ADD CONSTRAINT todo_changes_pkey PRIMARY KEY (user_id, xid, todo_id, version);

ALTER TABLE ONLY public.todos
    ADD CONSTRAINT todos_pkey PRIMARY KEY (user_id, id);

ALTER TABLE ONLY public.trashed_todos
    ADD CONSTRAINT trashed_todos_pkey PRIMARY KEY (user_id, id);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

CREATE INDEX access_tokens_expires_at_idx ON identity.access_tokens USING btree (expires_at);

CREATE INDEX events_created_at_idx ON identity.events USING btree (created_at);

CREATE INDEX events_login_failed_idx ON identity.events USING btree (user_id, created_at) WHERE (kind = 'login_failed'::text);

CREATE INDEX mail_tokens_expires_at_idx ON identity.mail_tokens USING btree (expires_at);

CREATE INDEX mails_created_at_idx ON identity.mails USING btree (created_at);

CREATE INDEX mails_next_attempt_at_idx ON identity.mails USING btree (next_attempt_at) WHERE (next_attempt_at IS NOT NULL);

CREATE INDEX mails_recipient_folded_idx ON identity.mails USING btree (recipient_folded);

CREATE INDEX refresh_tokens_expires_at_idx ON identity.refresh_tokens USING btree (expires_at);

CREATE INDEX refresh_tokens_session_idx ON identity.refresh_tokens USING btree (user_id, session_id);

CREATE INDEX sessions_expires_at_idx ON identity.sessions USING btree (expires_at);

CREATE INDEX idempotency_keys_expires_at_idx ON public.idempotency_keys USING btree (expires_at);

CREATE INDEX todo_changes_changed_at_idx ON public.todo_changes USING brin (changed_at) WITH (autosummarize='on');

CREATE INDEX trashed_todos_expires_at_idx ON public.trashed_todos USING btree (expires_at);

CREATE UNIQUE INDEX users_email_key ON public.users USING btree (COALESCE(email_folded, lower((email COLLATE "C"))));

ALTER TABLE ONLY identity.access_tokens
    ADD CONSTRAINT access_tokens_maker_fkey FOREIGN KEY (user_id, maker_id) REFERENCES identity.access_tokens(user_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY identity.access_tokens
    ADD CONSTRAINT access_tokens_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY identity.credentials
    ADD CONSTRAINT credentials_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY identity.events
    ADD CONSTRAINT events_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY identity.locked_users
    ADD CONSTRAINT locked_users_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY identity.mail_tokens
    ADD CONSTRAINT mail_tokens_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY identity.mails
    ADD CONSTRAINT mails_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY identity.recovery_codes
    ADD CONSTRAINT recovery_codes_user_id_fkey FOREIGN KEY (user_id) REFERENCES identity.totp_seeds(user_id) ON DELETE CASCADE;

ALTER TABLE ONLY identity.refresh_tokens
    ADD CONSTRAINT refresh_tokens_session_fkey FOREIGN KEY (user_id, session_id) REFERENCES identity.sessions(user_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY identity.sessions
    ADD CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY identity.totp_seeds
    ADD CONSTRAINT totp_seeds_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.todo_changes
    ADD CONSTRAINT todo_changes_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.todos
    ADD CONSTRAINT todos_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.trashed_todos
    ADD CONSTRAINT trashed_todos_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE identity.access_tokens ENABLE ROW LEVEL SECURITY;

CREATE POLICY access_tokens_delete_auth ON identity.access_tokens FOR DELETE TO todo_auth USING (true);

COMMENT ON POLICY access_tokens_delete_auth ON identity.access_tokens IS 'Tokens are removed 30 days after they expired, so that users can see why a script stopped working, or by a new password if its user wishes.';

CREATE POLICY access_tokens_delete_own ON identity.access_tokens FOR DELETE TO todo_api USING (((user_id = app.user_id('account'::text)) OR ((user_id = app.user_id()) AND (id = app.credential_id()))));

COMMENT ON POLICY access_tokens_delete_own ON identity.access_tokens IS 'Users revoke the tokens that they see.';

CREATE POLICY access_tokens_insert_own ON identity.access_tokens FOR INSERT TO todo_api WITH CHECK (((user_id = app.user_id('account'::text)) AND (scopes <@ app.scopes())));

COMMENT ON POLICY access_tokens_insert_own ON identity.access_tokens IS 'With the scope account, users create tokens with at most the scopes of the credential in use.';

CREATE POLICY access_tokens_select_auth ON identity.access_tokens FOR SELECT TO todo_auth USING (true);

COMMENT ON POLICY access_tokens_select_auth ON identity.access_tokens IS 'app.authenticate looks up the token of a request.';

CREATE POLICY access_tokens_select_own ON identity.access_tokens FOR SELECT TO todo_api USING (((user_id = app.user_id('account'::text)) OR ((user_id = app.user_id()) AND (id = app.credential_id()))));

COMMENT ON POLICY access_tokens_select_own ON identity.access_tokens IS 'Users see their own tokens with the scope account, otherwise only the one in use.';

CREATE POLICY access_tokens_update_auth ON identity.access_tokens FOR UPDATE TO todo_auth USING (true) WITH CHECK (true);

COMMENT ON POLICY access_tokens_update_auth ON identity.access_tokens IS 'app.note_use writes last_used_at.';

ALTER TABLE identity.credentials ENABLE ROW LEVEL SECURITY;

CREATE POLICY credentials_insert_auth ON identity.credentials FOR INSERT TO todo_auth WITH CHECK (true);

COMMENT ON POLICY credentials_insert_auth ON identity.credentials IS 'app.register stores the first password.';

CREATE POLICY credentials_select_auth ON identity.credentials FOR SELECT TO todo_auth USING (true);

COMMENT ON POLICY credentials_select_auth ON identity.credentials IS 'app.login and app.change_account compare a hash.';

CREATE POLICY credentials_update_auth ON identity.credentials FOR UPDATE TO todo_auth USING (true) WITH CHECK (true);

COMMENT ON POLICY credentials_update_auth ON identity.credentials IS 'app.login locks the row; app.rehash and app.change_account write it.';

ALTER TABLE identity.deleted_users ENABLE ROW LEVEL SECURITY;

CREATE POLICY deleted_users_delete_auth ON identity.deleted_users FOR DELETE TO todo_auth USING ((deleted_at < (now() - '01:00:00'::interval)));

COMMENT ON POLICY deleted_users_delete_auth ON identity.deleted_users IS 'app.remove_orphans forgets an account once nothing of it is left.';

CREATE POLICY deleted_users_insert_auth ON identity.deleted_users FOR INSERT TO todo_auth WITH CHECK ((id = app.user_id('account'::text)));

COMMENT ON POLICY deleted_users_insert_auth ON identity.deleted_users IS 'app.delete_content records the transaction''s user.';

CREATE POLICY deleted_users_select_auth ON identity.deleted_users FOR SELECT TO todo_auth USING ((deleted_at < (now() - '01:00:00'::interval)));

COMMENT ON POLICY deleted_users_select_auth ON identity.deleted_users IS 'app.remove_orphans waits until every write that began before the deletion has ended.';

ALTER TABLE identity.events ENABLE ROW LEVEL SECURITY;

CREATE POLICY events_delete_auth ON identity.events FOR DELETE TO todo_auth USING ((created_at < (now() - '1 year'::interval)));

COMMENT ON POLICY events_delete_auth ON identity.events IS 'Events are removed after a year.';

CREATE POLICY events_insert_auth ON identity.events FOR INSERT TO todo_auth WITH CHECK (true);

COMMENT ON POLICY events_insert_auth ON identity.events IS 'app.login, app.refresh and app.change_account record what happens.';

CREATE POLICY events_insert_own ON identity.events FOR INSERT TO todo_api WITH CHECK ((user_id = app.user_id('account'::text)));

COMMENT ON POLICY events_insert_own ON identity.events IS 'A change that users make to their own account is recorded in the same transaction.';

CREATE POLICY events_select_auth ON identity.events FOR SELECT TO todo_auth USING (((created_at < (now() - '1 year'::interval)) OR ((kind = 'login_failed'::text) AND (created_at > (now() - '01:00:00'::interval)))));

COMMENT ON POLICY events_select_auth ON identity.events IS 'The removal finds old events, app.login the failures of the last hour; no function reads others.';

CREATE POLICY events_select_own ON identity.events FOR SELECT TO todo_api USING ((user_id = app.user_id('account'::text)));

COMMENT ON POLICY events_select_own ON identity.events IS 'Users read their own account activity, with the scope account.';

CREATE POLICY events_update_auth ON identity.events FOR UPDATE TO todo_auth USING (((kind = 'login_failed'::text) AND (created_at > (now() - '01:00:00'::interval)))) WITH CHECK (((kind = 'login_failed'::text) AND (created_at > (now() - '01:00:00'::interval))));

COMMENT ON POLICY events_update_auth ON identity.events IS 'app.login counts a failed login on the newest of the last hour.';

ALTER TABLE identity.locked_users ENABLE ROW LEVEL SECURITY;

CREATE POLICY locked_users_delete_auth ON identity.locked_users FOR DELETE TO todo_auth USING (true);

COMMENT ON POLICY locked_users_delete_auth ON identity.locked_users IS 'app.operate_on_user unlocks a user.';

CREATE POLICY locked_users_insert_auth ON identity.locked_users FOR INSERT TO todo_auth WITH CHECK (true);

COMMENT ON POLICY locked_users_insert_auth ON identity.locked_users IS 'app.operate_on_user locks a user.';

CREATE POLICY locked_users_select_auth ON identity.locked_users FOR SELECT TO todo_auth USING (true);

COMMENT ON POLICY locked_users_select_auth ON identity.locked_users IS 'app.authenticate, app.login and app.refresh refuse a locked user.';

ALTER TABLE identity.mail_requests ENABLE ROW LEVEL SECURITY;

CREATE POLICY mail_requests_delete_auth ON identity.mail_requests FOR DELETE TO todo_auth USING (true);

COMMENT ON POLICY mail_requests_delete_auth ON identity.mail_requests IS 'app.claim_mails removes the requests that it has taken.';

CREATE POLICY mail_requests_insert_auth ON identity.mail_requests FOR INSERT TO todo_auth WITH CHECK (true);

COMMENT ON POLICY mail_requests_insert_auth ON identity.mail_requests IS 'app.request_password_reset and app.register add one.';

CREATE POLICY mail_requests_select_auth ON identity.mail_requests FOR SELECT TO todo_auth USING (true);

COMMENT ON POLICY mail_requests_select_auth ON identity.mail_requests IS 'app.claim_mails takes the requests.';

ALTER TABLE identity.mail_tokens ENABLE ROW LEVEL SECURITY;

CREATE POLICY mail_tokens_delete_auth ON identity.mail_tokens FOR DELETE TO todo_auth USING (true);

COMMENT ON POLICY mail_tokens_delete_auth ON identity.mail_tokens IS 'A token is deleted when it is used, replaced or expired.';

CREATE POLICY mail_tokens_insert_auth ON identity.mail_tokens FOR INSERT TO todo_auth WITH CHECK (true);

COMMENT ON POLICY mail_tokens_insert_auth ON identity.mail_tokens IS 'app.add_mail_token stores the hash just before the mail is sent, app.operate_on_user that of the operator''s link.';

CREATE POLICY mail_tokens_select_auth ON identity.mail_tokens FOR SELECT TO todo_auth USING (true);

COMMENT ON POLICY mail_tokens_select_auth ON identity.mail_tokens IS 'The functions that take a token look it up.';

ALTER TABLE identity.mails ENABLE ROW LEVEL SECURITY;

CREATE POLICY mails_delete_auth ON identity.mails FOR DELETE TO todo_auth USING ((created_at < (now() - '1 day'::interval)));

COMMENT ON POLICY mails_delete_auth ON identity.mails IS 'Mails are removed after a day.';

CREATE POLICY mails_insert_auth ON identity.mails FOR INSERT TO todo_auth WITH CHECK (true);

COMMENT ON POLICY mails_insert_auth ON identity.mails IS 'identity.queue_mail adds a mail.';

CREATE POLICY mails_select_auth ON identity.mails FOR SELECT TO todo_auth USING (true);

COMMENT ON POLICY mails_select_auth ON identity.mails IS 'identity.queue_mail counts mails, app.claim_mails reads those that are due.';

CREATE POLICY mails_update_auth ON identity.mails FOR UPDATE TO todo_auth USING ((next_attempt_at IS NOT NULL)) WITH CHECK (true);

COMMENT ON POLICY mails_update_auth ON identity.mails IS 'app.claim_mails and app.finish_mail write the state of unsent mails.';

ALTER TABLE identity.recovery_codes ENABLE ROW LEVEL SECURITY;

CREATE POLICY recovery_codes_delete_auth ON identity.recovery_codes FOR DELETE TO todo_auth USING (true);

COMMENT ON POLICY recovery_codes_delete_auth ON identity.recovery_codes IS 'app.login deletes a code that is used.';

CREATE POLICY recovery_codes_insert_auth ON identity.recovery_codes FOR INSERT TO todo_auth WITH CHECK ((user_id = app.user_id('account'::text)));

COMMENT ON POLICY recovery_codes_insert_auth ON identity.recovery_codes IS 'app.confirm_totp adds the codes of the transaction''s user.';

CREATE POLICY recovery_codes_select_auth ON identity.recovery_codes FOR SELECT TO todo_auth USING (true);

COMMENT ON POLICY recovery_codes_select_auth ON identity.recovery_codes IS 'app.login finds the code that it is given.';

CREATE POLICY recovery_codes_select_own ON identity.recovery_codes FOR SELECT TO todo_api USING ((user_id = app.user_id('account'::text)));

COMMENT ON POLICY recovery_codes_select_own ON identity.recovery_codes IS 'Users count their own recovery codes, with the scope account.';

ALTER TABLE identity.refresh_tokens ENABLE ROW LEVEL SECURITY;

CREATE POLICY refresh_tokens_delete_auth ON identity.refresh_tokens FOR DELETE TO todo_auth USING ((expires_at < now()));

COMMENT ON POLICY refresh_tokens_delete_auth ON identity.refresh_tokens IS 'Only expired tokens are removed while their session exists.';

CREATE POLICY refresh_tokens_insert_auth ON identity.refresh_tokens FOR INSERT TO todo_auth WITH CHECK (true);

COMMENT ON POLICY refresh_tokens_insert_auth ON identity.refresh_tokens IS 'app.login and app.refresh add one.';

CREATE POLICY refresh_tokens_select_auth ON identity.refresh_tokens FOR SELECT TO todo_auth USING (true);

COMMENT ON POLICY refresh_tokens_select_auth ON identity.refresh_tokens IS 'app.refresh looks up the token it is given.';

CREATE POLICY refresh_tokens_update_auth ON identity.refresh_tokens FOR UPDATE TO todo_auth USING ((spent_at IS NULL)) WITH CHECK ((spent_at IS NOT NULL));

COMMENT ON POLICY refresh_tokens_update_auth ON identity.refresh_tokens IS 'A token is spent once and stays spent.';

ALTER TABLE identity.secret_keys ENABLE ROW LEVEL SECURITY;

CREATE POLICY secret_keys_delete_auth ON identity.secret_keys FOR DELETE TO todo_auth USING ((purpose = ANY (ARRAY['context'::text, 'mail_sender'::text])));

COMMENT ON POLICY secret_keys_delete_auth ON identity.secret_keys IS 'app.rotate_context_key removes the context keys that were replaced and the mail sender, app.claim_mails the sender that was replaced.';

CREATE POLICY secret_keys_insert_auth ON identity.secret_keys FOR INSERT TO todo_auth WITH CHECK (true);

COMMENT ON POLICY secret_keys_insert_auth ON identity.secret_keys IS 'app.rotate_context_key adds a key.';

CREATE POLICY secret_keys_select_auth ON identity.secret_keys FOR SELECT TO todo_auth USING (true);

COMMENT ON POLICY secret_keys_select_auth ON identity.secret_keys IS 'The functions that seal and verify the context, and app.password_salt, read a key.';

ALTER TABLE identity.sessions ENABLE ROW LEVEL SECURITY;

CREATE POLICY sessions_delete_auth ON identity.sessions FOR DELETE TO todo_auth USING (true);

COMMENT ON POLICY sessions_delete_auth ON identity.sessions IS 'app.refresh on reuse, app.change_account, and the removal of expired sessions.';

CREATE POLICY sessions_delete_own ON identity.sessions FOR DELETE TO todo_api USING (((user_id = app.user_id('account'::text)) OR ((user_id = app.user_id()) AND (id = app.credential_id()))));

COMMENT ON POLICY sessions_delete_own ON identity.sessions IS 'Users end the sessions that they see.';

CREATE POLICY sessions_insert_auth ON identity.sessions FOR INSERT TO todo_auth WITH CHECK (true);

COMMENT ON POLICY sessions_insert_auth ON identity.sessions IS 'app.login opens a session.';

CREATE POLICY sessions_select_auth ON identity.sessions FOR SELECT TO todo_auth USING (true);

COMMENT ON POLICY sessions_select_auth ON identity.sessions IS 'app.authenticate looks up the session that a token names.';

CREATE POLICY sessions_select_own ON identity.sessions FOR SELECT TO todo_api USING (((user_id = app.user_id('account'::text)) OR ((user_id = app.user_id()) AND (id = app.credential_id()))));

COMMENT ON POLICY sessions_select_own ON identity.sessions IS 'Users see their own sessions with the scope account, otherwise only the one in use.';

CREATE POLICY sessions_update_auth ON identity.sessions FOR UPDATE TO todo_auth USING (true) WITH CHECK (true);

COMMENT ON POLICY sessions_update_auth ON identity.sessions IS 'app.refresh and app.note_use write the times.';

ALTER TABLE identity.totp_seeds ENABLE ROW LEVEL SECURITY;

CREATE POLICY totp_seeds_delete_auth ON identity.totp_seeds FOR DELETE TO todo_auth USING (true);

COMMENT ON POLICY totp_seeds_delete_auth ON identity.totp_seeds IS 'app.remove_totp, and the operator for a user who has lost the device.';

CREATE POLICY totp_seeds_insert_auth ON identity.totp_seeds FOR INSERT TO todo_auth WITH CHECK ((user_id = app.user_id('account'::text)));

COMMENT ON POLICY totp_seeds_insert_auth ON identity.totp_seeds IS 'app.start_totp adds a seed for the transaction''s user.';

CREATE POLICY totp_seeds_select_auth ON identity.totp_seeds FOR SELECT TO todo_auth USING (true);

COMMENT ON POLICY totp_seeds_select_auth ON identity.totp_seeds IS 'app.login checks the second factor of the user who logs in.';

CREATE POLICY totp_seeds_select_own ON identity.totp_seeds FOR SELECT TO todo_api USING ((user_id = app.user_id('account'::text)));

COMMENT ON POLICY totp_seeds_select_own ON identity.totp_seeds IS 'Users see their own second factor, with the scope account.';

CREATE POLICY totp_seeds_update_auth ON identity.totp_seeds FOR UPDATE TO todo_auth USING (true) WITH CHECK (true);

COMMENT ON POLICY totp_seeds_update_auth ON identity.totp_seeds IS 'app.login counts wrong codes and remembers the last step; app.confirm_totp confirms.';

ALTER TABLE public.idempotency_keys ENABLE ROW LEVEL SECURITY;

CREATE POLICY idempotency_keys_delete_account ON public.idempotency_keys FOR DELETE TO todo_auth USING ((user_id = app.user_id('account'::text)));

COMMENT ON POLICY idempotency_keys_delete_account ON public.idempotency_keys IS 'app.delete_content deletes the keys of the transaction''s user.';

CREATE POLICY idempotency_keys_delete_auth ON public.idempotency_keys FOR DELETE TO todo_auth USING ((expires_at < now()));

COMMENT ON POLICY idempotency_keys_delete_auth ON public.idempotency_keys IS 'Keys are removed after a day.';

CREATE POLICY idempotency_keys_insert_own ON public.idempotency_keys FOR INSERT TO todo_api WITH CHECK ((user_id = app.user_id('todos:write'::text)));

COMMENT ON POLICY idempotency_keys_insert_own ON public.idempotency_keys IS 'A write stores its result under its key, with the scope of the write.';

CREATE POLICY idempotency_keys_select_account ON public.idempotency_keys FOR SELECT TO todo_auth USING ((user_id = app.user_id('account'::text)));

COMMENT ON POLICY idempotency_keys_select_account ON public.idempotency_keys IS 'app.delete_content finds the keys of the transaction''s user.';

CREATE POLICY idempotency_keys_select_auth ON public.idempotency_keys FOR SELECT TO todo_auth USING ((expires_at < now()));

COMMENT ON POLICY idempotency_keys_select_auth ON public.idempotency_keys IS 'The removal finds expired keys; no function reads others.';

CREATE POLICY idempotency_keys_select_own ON public.idempotency_keys FOR SELECT TO todo_api USING ((user_id = app.user_id()));

COMMENT ON POLICY idempotency_keys_select_own ON public.idempotency_keys IS 'Keys are per user: two users may use the same key.';

CREATE POLICY idempotency_keys_update_own ON public.idempotency_keys FOR UPDATE TO todo_api USING ((user_id = app.user_id('todos:write'::text))) WITH CHECK ((user_id = app.user_id('todos:write'::text)));

COMMENT ON POLICY idempotency_keys_update_own ON public.idempotency_keys IS 'A write may take over an expired key.';

ALTER TABLE public.schema_migrations ENABLE ROW LEVEL SECURITY;

CREATE POLICY schema_migrations_delete_owner ON public.schema_migrations FOR DELETE TO todo_owner USING (true);

CREATE POLICY schema_migrations_insert_owner ON public.schema_migrations FOR INSERT TO todo_owner WITH CHECK (true);

CREATE POLICY schema_migrations_select_auth ON public.schema_migrations FOR SELECT TO todo_auth USING (true);

CREATE POLICY schema_migrations_select_owner ON public.schema_migrations FOR SELECT TO todo_owner USING (true);

ALTER TABLE public.sync_horizons ENABLE ROW LEVEL SECURITY;

CREATE POLICY sync_horizons_insert_auth ON public.sync_horizons FOR INSERT TO todo_auth WITH CHECK (true);

COMMENT ON POLICY sync_horizons_insert_auth ON public.sync_horizons IS 'app.remove_changes moves it.';

CREATE POLICY sync_horizons_select_auth ON public.sync_horizons FOR SELECT TO todo_auth USING (true);

COMMENT ON POLICY sync_horizons_select_auth ON public.sync_horizons IS 'app.sync_state reads the horizon.';

CREATE POLICY sync_horizons_update_auth ON public.sync_horizons FOR UPDATE TO todo_auth USING (true) WITH CHECK (true);

COMMENT ON POLICY sync_horizons_update_auth ON public.sync_horizons IS 'app.remove_changes moves it.';

ALTER TABLE public.todo_changes ENABLE ROW LEVEL SECURITY;

CREATE POLICY todo_changes_delete_auth ON public.todo_changes FOR DELETE TO todo_auth USING ((changed_at < (now() - '30 days'::interval)));

COMMENT ON POLICY todo_changes_delete_auth ON public.todo_changes IS 'app.remove_changes removes old rows.';

CREATE POLICY todo_changes_insert_own ON public.todo_changes FOR INSERT TO todo_api WITH CHECK ((user_id = app.user_id('todos:write'::text)));

COMMENT ON POLICY todo_changes_insert_own ON public.todo_changes IS 'With todos:write, a write of a todo is recorded.';

CREATE POLICY todo_changes_select_auth ON public.todo_changes FOR SELECT TO todo_auth USING ((changed_at < (now() - '30 days'::interval)));

COMMENT ON POLICY todo_changes_select_auth ON public.todo_changes IS 'The removal finds old rows; no function reads others.';

CREATE POLICY todo_changes_select_own ON public.todo_changes FOR SELECT TO todo_api USING ((user_id = app.user_id()));

COMMENT ON POLICY todo_changes_select_own ON public.todo_changes IS 'Users see the changes of their own todos only.';

ALTER TABLE public.todos ENABLE ROW LEVEL SECURITY;

CREATE POLICY todos_delete_account ON public.todos FOR DELETE TO todo_auth USING ((user_id = app.user_id('account'::text)));

COMMENT ON POLICY todos_delete_account ON public.todos IS 'app.delete_content deletes the todos of the transaction''s user.';

CREATE POLICY todos_delete_own ON public.todos FOR DELETE TO todo_api USING ((user_id = app.user_id('todos:write'::text)));

COMMENT ON POLICY todos_delete_own ON public.todos IS 'With todos:write, users delete their own todos.';

CREATE POLICY todos_insert_own ON public.todos FOR INSERT TO todo_api WITH CHECK ((user_id = app.user_id('todos:write'::text)));

COMMENT ON POLICY todos_insert_own ON public.todos IS 'With todos:write, users create todos of their own.';

CREATE POLICY todos_select_account ON public.todos FOR SELECT TO todo_auth USING ((user_id = app.user_id('account'::text)));

COMMENT ON POLICY todos_select_account ON public.todos IS 'app.delete_content finds the todos of the transaction''s user.';

CREATE POLICY todos_select_own ON public.todos FOR SELECT TO todo_api USING ((user_id = app.user_id()));

COMMENT ON POLICY todos_select_own ON public.todos IS 'Users see their own todos only.';

CREATE POLICY todos_update_own ON public.todos FOR UPDATE TO todo_api USING ((user_id = app.user_id('todos:write'::text))) WITH CHECK ((user_id = app.user_id('todos:write'::text)));

COMMENT ON POLICY todos_update_own ON public.todos IS 'With todos:write, users change their own todos, and cannot give one away.';

ALTER TABLE public.trashed_todos ENABLE ROW LEVEL SECURITY;

CREATE POLICY trashed_todos_delete_auth ON public.trashed_todos FOR DELETE TO todo_auth USING ((expires_at < now()));

COMMENT ON POLICY trashed_todos_delete_auth ON public.trashed_todos IS 'app.remove_trash removes expired rows.';

CREATE POLICY trashed_todos_delete_own ON public.trashed_todos FOR DELETE TO todo_api USING ((user_id = app.user_id('todos:write'::text)));

COMMENT ON POLICY trashed_todos_delete_own ON public.trashed_todos IS 'With todos:write, users restore todos or remove them for good.';

CREATE POLICY trashed_todos_insert_own ON public.trashed_todos FOR INSERT TO todo_api WITH CHECK ((user_id = app.user_id('todos:write'::text)));

COMMENT ON POLICY trashed_todos_insert_own ON public.trashed_todos IS 'With todos:write, users delete todos, which moves them here.';

CREATE POLICY trashed_todos_select_auth ON public.trashed_todos FOR SELECT TO todo_auth USING ((expires_at < now()));

COMMENT ON POLICY trashed_todos_select_auth ON public.trashed_todos IS 'The removal finds expired rows; no function reads others.';

CREATE POLICY trashed_todos_select_own ON public.trashed_todos FOR SELECT TO todo_api USING ((user_id = app.user_id()));

COMMENT ON POLICY trashed_todos_select_own ON public.trashed_todos IS 'Users see their own trash only.';

ALTER TABLE public.users ENABLE ROW LEVEL SECURITY;

CREATE POLICY users_delete_auth ON public.users FOR DELETE TO todo_auth USING ((id = app.user_id('account'::text)));

COMMENT ON POLICY users_delete_auth ON public.users IS 'app.operate_on_user deletes the transaction''s user, whom it makes the one that the operator names.';

CREATE POLICY users_delete_own ON public.users FOR DELETE TO todo_api USING (((id = app.user_id('account'::text)) AND (app.logged_in_at() > (now() - '00:10:00'::interval))));

COMMENT ON POLICY users_delete_own ON public.users IS 'Users delete their own account, and everything in it, within ten minutes of a login.';

CREATE POLICY users_insert_auth ON public.users FOR INSERT TO todo_auth WITH CHECK (true);

COMMENT ON POLICY users_insert_auth ON public.users IS 'Registration adds a user.';

CREATE POLICY users_select_auth ON public.users FOR SELECT TO todo_auth USING (true);

COMMENT ON POLICY users_select_auth ON public.users IS 'Registration and login find a user by email.';

CREATE POLICY users_select_own ON public.users FOR SELECT TO todo_api USING ((id = app.user_id()));

COMMENT ON POLICY users_select_own ON public.users IS 'Users see their own row only.';

CREATE POLICY users_update_auth ON public.users FOR UPDATE TO todo_auth USING (true) WITH CHECK (true);

COMMENT ON POLICY users_update_auth ON public.users IS 'app.change_account, app.verify_email, app.undo_email_change and app.reset_password change a user''s address or its state.';

GRANT USAGE ON SCHEMA app TO todo_api;
GRANT USAGE ON SCHEMA app TO todo_auth;

GRANT USAGE ON SCHEMA identity TO todo_api;
GRANT USAGE ON SCHEMA identity TO todo_auth;

REVOKE ALL ON FUNCTION app.add_mail_token(sender bytea, mail_user uuid, mail_id uuid, attempt integer, token_hash bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION app.add_mail_token(sender bytea, mail_user uuid, mail_id uuid, attempt integer, token_hash bytea) TO todo_api;

REVOKE ALL ON FUNCTION app.authenticate(claimed_user uuid, claimed_session uuid, secret bytea, OUT scopes text[], OUT use_is_due boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION app.authenticate(claimed_user uuid, claimed_session uuid, secret bytea, OUT scopes text[], OUT use_is_due boolean) TO todo_api;

REVOKE ALL ON FUNCTION app.change_account(current_password_hash text, new_email text, new_email_folded text, new_password_hash text, confirm boolean, hidden boolean, event_ids uuid[], client_ip inet, client_user_agent text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.change_account(current_password_hash text, new_email text, new_email_folded text, new_password_hash text, confirm boolean, hidden boolean, event_ids uuid[], client_ip inet, client_user_agent text) TO todo_api;

REVOKE ALL ON FUNCTION app.check_quota(quota text, used bigint, allowed bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION app.check_quota(quota text, used bigint, allowed bigint) TO todo_api;

REVOKE ALL ON FUNCTION app.claim_mails(sender bytea, previous_sender bytea, batch integer, lease_seconds integer) FROM PUBLIC;
GRANT ALL ON FUNCTION app.claim_mails(sender bytea, previous_sender bytea, batch integer, lease_seconds integer) TO todo_api;

REVOKE ALL ON FUNCTION app.confirm_totp(code_proof bytea, code_step bigint, recovery_hashes bytea[], event_id uuid, client_ip inet, client_user_agent text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.confirm_totp(code_proof bytea, code_step bigint, recovery_hashes bytea[], event_id uuid, client_ip inet, client_user_agent text) TO todo_api;

REVOKE ALL ON FUNCTION app.context(required_scope text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.context(required_scope text) TO todo_api;

GRANT DELETE ON TABLE identity.mails TO todo_auth;

GRANT SELECT(user_id),INSERT(user_id) ON TABLE identity.mails TO todo_auth;

GRANT SELECT(id),INSERT(id) ON TABLE identity.mails TO todo_auth;

GRANT SELECT(kind),INSERT(kind) ON TABLE identity.mails TO todo_auth;

GRANT SELECT(recipient),INSERT(recipient) ON TABLE identity.mails TO todo_auth;

GRANT SELECT(recipient_folded),INSERT(recipient_folded) ON TABLE identity.mails TO todo_auth;

GRANT SELECT(params),INSERT(params),UPDATE(params) ON TABLE identity.mails TO todo_auth;

GRANT SELECT(attempts),UPDATE(attempts) ON TABLE identity.mails TO todo_auth;

GRANT SELECT(created_at) ON TABLE identity.mails TO todo_auth;

GRANT SELECT(expires_at),INSERT(expires_at) ON TABLE identity.mails TO todo_auth;

GRANT SELECT(next_attempt_at),UPDATE(next_attempt_at) ON TABLE identity.mails TO todo_auth;

REVOKE ALL ON FUNCTION app.count_mails() FROM PUBLIC;
GRANT ALL ON FUNCTION app.count_mails() TO todo_api;

REVOKE ALL ON FUNCTION app.credential_id() FROM PUBLIC;
GRANT ALL ON FUNCTION app.credential_id() TO todo_api;

REVOKE ALL ON FUNCTION app.delete_content() FROM PUBLIC;
GRANT ALL ON FUNCTION app.delete_content() TO todo_api;

GRANT DELETE ON TABLE identity.mail_tokens TO todo_auth;

GRANT SELECT(user_id),INSERT(user_id) ON TABLE identity.mail_tokens TO todo_auth;

GRANT SELECT(hash),INSERT(hash) ON TABLE identity.mail_tokens TO todo_auth;

GRANT SELECT(purpose),INSERT(purpose) ON TABLE identity.mail_tokens TO todo_auth;

GRANT SELECT(email),INSERT(email) ON TABLE identity.mail_tokens TO todo_auth;

GRANT SELECT(email_folded),INSERT(email_folded) ON TABLE identity.mail_tokens TO todo_auth;

GRANT SELECT(created_at),INSERT(created_at) ON TABLE identity.mail_tokens TO todo_auth;

GRANT SELECT(expires_at),INSERT(expires_at) ON TABLE identity.mail_tokens TO todo_auth;

REVOKE ALL ON FUNCTION identity.find_mail_token(token_user uuid, token_purpose text, token_secret bytea) FROM PUBLIC;

GRANT DELETE ON TABLE public.users TO todo_api;
GRANT DELETE ON TABLE public.users TO todo_auth;

GRANT SELECT(id) ON TABLE public.users TO todo_api;
GRANT SELECT(id),INSERT(id) ON TABLE public.users TO todo_auth;

GRANT SELECT(email) ON TABLE public.users TO todo_api;
GRANT SELECT(email),INSERT(email),UPDATE(email) ON TABLE public.users TO todo_auth;

GRANT SELECT(email_folded) ON TABLE public.users TO todo_api;
GRANT SELECT(email_folded),INSERT(email_folded),UPDATE(email_folded) ON TABLE public.users TO todo_auth;

GRANT SELECT(created_at) ON TABLE public.users TO todo_api;
GRANT SELECT(created_at) ON TABLE public.users TO todo_auth;

GRANT SELECT(email_verified_at) ON TABLE public.users TO todo_api;
GRANT SELECT(email_verified_at),UPDATE(email_verified_at) ON TABLE public.users TO todo_auth;

REVOKE ALL ON FUNCTION app.find_reset_email(token_user uuid, token_secret bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION app.find_reset_email(token_user uuid, token_secret bytea) TO todo_api;

REVOKE ALL ON FUNCTION app.finish_mail(sender bytea, mail_user uuid, mail_id uuid, attempt integer, outcome text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.finish_mail(sender bytea, mail_user uuid, mail_id uuid, attempt integer, outcome text) TO todo_api;

GRANT DELETE ON TABLE identity.secret_keys TO todo_auth;

GRANT SELECT(purpose),INSERT(purpose) ON TABLE identity.secret_keys TO todo_auth;

GRANT SELECT(id),INSERT(id) ON TABLE identity.secret_keys TO todo_auth;

GRANT SELECT(inner_block),INSERT(inner_block) ON TABLE identity.secret_keys TO todo_auth;

GRANT SELECT(outer_block),INSERT(outer_block) ON TABLE identity.secret_keys TO todo_auth;

GRANT SELECT(created_at) ON TABLE identity.secret_keys TO todo_auth;

REVOKE ALL ON FUNCTION app.has_context_key() FROM PUBLIC;
GRANT ALL ON FUNCTION app.has_context_key() TO todo_api;

REVOKE ALL ON FUNCTION app.has_scope(scope text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.has_scope(scope text) TO todo_api;

REVOKE ALL ON FUNCTION app.logged_in_at() FROM PUBLIC;
GRANT ALL ON FUNCTION app.logged_in_at() TO todo_api;

REVOKE ALL ON FUNCTION app.login(login_email_folded text, login_password_hash text, session_id uuid, session_secret_hash bytea, session_seconds integer, session_scopes text[], refresh_hash bytea, event_id uuid, client_ip inet, client_user_agent text, code_proof bytea, code_step bigint, recovery_code bytea, resealed_seed bytea, OUT user_id uuid, OUT outcome text, OUT sealed_seed bytea, OUT retry_after integer) FROM PUBLIC;
GRANT ALL ON FUNCTION app.login(login_email_folded text, login_password_hash text, session_id uuid, session_secret_hash bytea, session_seconds integer, session_scopes text[], refresh_hash bytea, event_id uuid, client_ip inet, client_user_agent text, code_proof bytea, code_step bigint, recovery_code bytea, resealed_seed bytea, OUT user_id uuid, OUT outcome text, OUT sealed_seed bytea, OUT retry_after integer) TO todo_api;

REVOKE ALL ON FUNCTION app.maker_expires_at() FROM PUBLIC;
GRANT ALL ON FUNCTION app.maker_expires_at() TO todo_api;

REVOKE ALL ON FUNCTION app.maker_id() FROM PUBLIC;
GRANT ALL ON FUNCTION app.maker_id() TO todo_api;

REVOKE ALL ON FUNCTION app.user_id(required_scope text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.user_id(required_scope text) TO todo_api;

GRANT DELETE ON TABLE identity.access_tokens TO todo_api;
GRANT DELETE ON TABLE identity.access_tokens TO todo_auth;

GRANT SELECT(user_id) ON TABLE identity.access_tokens TO todo_auth;

GRANT SELECT(id),INSERT(id) ON TABLE identity.access_tokens TO todo_api;
GRANT SELECT(id) ON TABLE identity.access_tokens TO todo_auth;

GRANT SELECT(name),INSERT(name) ON TABLE identity.access_tokens TO todo_api;

GRANT INSERT(hash) ON TABLE identity.access_tokens TO todo_api;
GRANT SELECT(hash) ON TABLE identity.access_tokens TO todo_auth;

GRANT SELECT(scopes),INSERT(scopes) ON TABLE identity.access_tokens TO todo_api;
GRANT SELECT(scopes) ON TABLE identity.access_tokens TO todo_auth;

GRANT SELECT(created_at) ON TABLE identity.access_tokens TO todo_api;

GRANT SELECT(last_used_at) ON TABLE identity.access_tokens TO todo_api;
GRANT SELECT(last_used_at),UPDATE(last_used_at) ON TABLE identity.access_tokens TO todo_auth;

GRANT SELECT(expires_at),INSERT(expires_at) ON TABLE identity.access_tokens TO todo_api;
GRANT SELECT(expires_at) ON TABLE identity.access_tokens TO todo_auth;

GRANT DELETE ON TABLE identity.sessions TO todo_api;
GRANT DELETE ON TABLE identity.sessions TO todo_auth;

GRANT SELECT(user_id),INSERT(user_id) ON TABLE identity.sessions TO todo_auth;

GRANT SELECT(id) ON TABLE identity.sessions TO todo_api;
GRANT SELECT(id),INSERT(id) ON TABLE identity.sessions TO todo_auth;

GRANT SELECT(secret_hash),INSERT(secret_hash) ON TABLE identity.sessions TO todo_auth;

GRANT SELECT(scopes),INSERT(scopes) ON TABLE identity.sessions TO todo_auth;

GRANT SELECT(ip) ON TABLE identity.sessions TO todo_api;
GRANT INSERT(ip) ON TABLE identity.sessions TO todo_auth;

GRANT SELECT(user_agent) ON TABLE identity.sessions TO todo_api;
GRANT SELECT(user_agent),INSERT(user_agent) ON TABLE identity.sessions TO todo_auth;

GRANT SELECT(created_at) ON TABLE identity.sessions TO todo_api;
GRANT SELECT(created_at) ON TABLE identity.sessions TO todo_auth;

GRANT SELECT(last_used_at) ON TABLE identity.sessions TO todo_api;
GRANT SELECT(last_used_at),UPDATE(last_used_at) ON TABLE identity.sessions TO todo_auth;

GRANT SELECT(expires_at) ON TABLE identity.sessions TO todo_api;
GRANT SELECT(expires_at),INSERT(expires_at),UPDATE(expires_at) ON TABLE identity.sessions TO todo_auth;

REVOKE ALL ON FUNCTION app.note_use() FROM PUBLIC;
GRANT ALL ON FUNCTION app.note_use() TO todo_api;

REVOKE ALL ON FUNCTION app.notify_token_created(token_name text, client_ip inet, client_user_agent text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.notify_token_created(token_name text, client_ip inet, client_user_agent text) TO todo_api;

REVOKE ALL ON FUNCTION app.operate_on_user(command text, user_email_folded text, reset_hash bytea, event_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION app.operate_on_user(command text, user_email_folded text, reset_hash bytea, event_id uuid) TO todo_owner;

REVOKE ALL ON FUNCTION app.password_salt(login_email_folded text, cost integer) FROM PUBLIC;
GRANT ALL ON FUNCTION app.password_salt(login_email_folded text, cost integer) TO todo_api;

REVOKE ALL ON FUNCTION app.refresh(token_user uuid, session_secret bytea, token_secret bytea, new_seed bytea, new_hash bytea, session_seconds integer, session_max_seconds integer, event_id uuid, client_ip inet, client_user_agent text, OUT session_id uuid, OUT scopes text[], OUT seed bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION app.refresh(token_user uuid, session_secret bytea, token_secret bytea, new_seed bytea, new_hash bytea, session_seconds integer, session_max_seconds integer, event_id uuid, client_ip inet, client_user_agent text, OUT session_id uuid, OUT scopes text[], OUT seed bytea) TO todo_api;

REVOKE ALL ON FUNCTION app.register(new_id uuid, new_email text, new_email_folded text, new_password_hash text, verify boolean, hidden boolean, request_id uuid, client_ip inet, client_user_agent text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.register(new_id uuid, new_email text, new_email_folded text, new_password_hash text, verify boolean, hidden boolean, request_id uuid, client_ip inet, client_user_agent text) TO todo_api;

GRANT SELECT(user_id),INSERT(user_id) ON TABLE identity.credentials TO todo_auth;

GRANT SELECT(password_hash),INSERT(password_hash),UPDATE(password_hash) ON TABLE identity.credentials TO todo_auth;

REVOKE ALL ON FUNCTION app.rehash(old_password_hash text, new_password_hash text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.rehash(old_password_hash text, new_password_hash text) TO todo_api;

REVOKE ALL ON FUNCTION app.remove_changes(batch integer) FROM PUBLIC;
GRANT ALL ON FUNCTION app.remove_changes(batch integer) TO todo_api;

REVOKE ALL ON FUNCTION app.remove_expired(batch integer) FROM PUBLIC;
GRANT ALL ON FUNCTION app.remove_expired(batch integer) TO todo_api;

REVOKE ALL ON FUNCTION app.remove_old_mails(batch integer) FROM PUBLIC;
GRANT ALL ON FUNCTION app.remove_old_mails(batch integer) TO todo_api;

REVOKE ALL ON FUNCTION app.remove_orphans(batch integer) FROM PUBLIC;
GRANT ALL ON FUNCTION app.remove_orphans(batch integer) TO todo_api;

REVOKE ALL ON FUNCTION app.remove_totp(current_password_hash text, event_id uuid, client_ip inet, client_user_agent text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.remove_totp(current_password_hash text, event_id uuid, client_ip inet, client_user_agent text) TO todo_api;

REVOKE ALL ON FUNCTION app.remove_trash(batch integer) FROM PUBLIC;
GRANT ALL ON FUNCTION app.remove_trash(batch integer) TO todo_api;

GRANT DELETE ON TABLE identity.mail_requests TO todo_auth;

GRANT SELECT(id),INSERT(id) ON TABLE identity.mail_requests TO todo_auth;

GRANT SELECT(kind),INSERT(kind) ON TABLE identity.mail_requests TO todo_auth;

GRANT SELECT(email_folded),INSERT(email_folded) ON TABLE identity.mail_requests TO todo_auth;

GRANT SELECT(ip),INSERT(ip) ON TABLE identity.mail_requests TO todo_auth;

GRANT SELECT(user_agent),INSERT(user_agent) ON TABLE identity.mail_requests TO todo_auth;

GRANT SELECT(created_at) ON TABLE identity.mail_requests TO todo_auth;

REVOKE ALL ON FUNCTION app.request_password_reset(request_id uuid, for_email_folded text, client_ip inet, client_user_agent text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.request_password_reset(request_id uuid, for_email_folded text, client_ip inet, client_user_agent text) TO todo_api;

REVOKE ALL ON FUNCTION app.require_verified_email() FROM PUBLIC;
GRANT ALL ON FUNCTION app.require_verified_email() TO todo_api;

REVOKE ALL ON FUNCTION app.reset_password(token_user uuid, token_secret bytea, new_password_hash text, revoke_tokens boolean, event_id uuid, client_ip inet, client_user_agent text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.reset_password(token_user uuid, token_secret bytea, new_password_hash text, revoke_tokens boolean, event_id uuid, client_ip inet, client_user_agent text) TO todo_api;

REVOKE ALL ON FUNCTION app.rotate_context_key() FROM PUBLIC;
GRANT ALL ON FUNCTION app.rotate_context_key() TO todo_owner;

GRANT SELECT(version) ON TABLE public.schema_migrations TO todo_auth;

REVOKE ALL ON FUNCTION app.schema_version() FROM PUBLIC;
GRANT ALL ON FUNCTION app.schema_version() TO todo_api;

REVOKE ALL ON FUNCTION app.scopes() FROM PUBLIC;
GRANT ALL ON FUNCTION app.scopes() TO todo_api;

REVOKE ALL ON FUNCTION app.send_verification() FROM PUBLIC;
GRANT ALL ON FUNCTION app.send_verification() TO todo_api;

GRANT DELETE ON TABLE identity.locked_users TO todo_auth;

GRANT SELECT(user_id),INSERT(user_id) ON TABLE identity.locked_users TO todo_auth;

GRANT SELECT(created_at) ON TABLE identity.locked_users TO todo_auth;

GRANT DELETE ON TABLE identity.recovery_codes TO todo_auth;

GRANT SELECT(user_id) ON TABLE identity.recovery_codes TO todo_api;
GRANT SELECT(user_id),INSERT(user_id) ON TABLE identity.recovery_codes TO todo_auth;

GRANT SELECT(hash),INSERT(hash) ON TABLE identity.recovery_codes TO todo_auth;

GRANT DELETE ON TABLE identity.totp_seeds TO todo_auth;

GRANT SELECT(user_id),INSERT(user_id) ON TABLE identity.totp_seeds TO todo_auth;

GRANT SELECT(sealed_seed) ON TABLE identity.totp_seeds TO todo_api;
GRANT SELECT(sealed_seed),INSERT(sealed_seed),UPDATE(sealed_seed) ON TABLE identity.totp_seeds TO todo_auth;

GRANT SELECT(proof_hash),INSERT(proof_hash),UPDATE(proof_hash) ON TABLE identity.totp_seeds TO todo_auth;

GRANT SELECT(confirmed_at) ON TABLE identity.totp_seeds TO todo_api;
GRANT SELECT(confirmed_at),UPDATE(confirmed_at) ON TABLE identity.totp_seeds TO todo_auth;

GRANT SELECT(last_step),UPDATE(last_step) ON TABLE identity.totp_seeds TO todo_auth;

GRANT SELECT(failures),UPDATE(failures) ON TABLE identity.totp_seeds TO todo_auth;

GRANT SELECT(failures_since),UPDATE(failures_since) ON TABLE identity.totp_seeds TO todo_auth;

REVOKE ALL ON FUNCTION app.show_user(user_email_folded text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.show_user(user_email_folded text) TO todo_owner;

GRANT DELETE ON TABLE public.todo_changes TO todo_auth;

GRANT SELECT(user_id) ON TABLE public.todo_changes TO todo_api;
GRANT SELECT(user_id) ON TABLE public.todo_changes TO todo_auth;

GRANT SELECT(xid) ON TABLE public.todo_changes TO todo_api;
GRANT SELECT(xid) ON TABLE public.todo_changes TO todo_auth;

GRANT SELECT(todo_id),INSERT(todo_id) ON TABLE public.todo_changes TO todo_api;
GRANT SELECT(todo_id) ON TABLE public.todo_changes TO todo_auth;

GRANT SELECT(version),INSERT(version) ON TABLE public.todo_changes TO todo_api;
GRANT SELECT(version) ON TABLE public.todo_changes TO todo_auth;

GRANT SELECT(changed_at) ON TABLE public.todo_changes TO todo_auth;

REVOKE ALL ON FUNCTION identity.sync_epoch() FROM PUBLIC;

GRANT SELECT(epoch),INSERT(epoch) ON TABLE public.sync_horizons TO todo_auth;

GRANT SELECT(xid),INSERT(xid),UPDATE(xid) ON TABLE public.sync_horizons TO todo_auth;

REVOKE ALL ON FUNCTION app.sync_state(OUT epoch text, OUT horizon xid8, OUT xmin xid8) FROM PUBLIC;
GRANT ALL ON FUNCTION app.sync_state(OUT epoch text, OUT horizon xid8, OUT xmin xid8) TO todo_api;

REVOKE ALL ON FUNCTION app.undo_email_change(token_user uuid, token_secret bytea, event_id uuid, client_ip inet, client_user_agent text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.undo_email_change(token_user uuid, token_secret bytea, event_id uuid, client_ip inet, client_user_agent text) TO todo_api;

REVOKE ALL ON FUNCTION app.verify_email(token_user uuid, token_secret bytea, event_id uuid, client_ip inet, client_user_agent text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.verify_email(token_user uuid, token_secret bytea, event_id uuid, client_ip inet, client_user_agent text) TO todo_api;

REVOKE ALL ON FUNCTION identity.add_key(new_purpose text) FROM PUBLIC;

REVOKE ALL ON FUNCTION identity.context_binding() FROM PUBLIC;

REVOKE ALL ON FUNCTION identity.delete_rows(owner uuid) FROM PUBLIC;

REVOKE ALL ON FUNCTION identity.hmac(inner_block bytea, outer_block bytea, message text) FROM PUBLIC;

REVOKE ALL ON FUNCTION identity.queue_mail(mail_user uuid, mail_kind text, mail_to text, mail_params jsonb, mail_to_folded text) FROM PUBLIC;

REVOKE ALL ON FUNCTION identity.require_mail_sender(sender bytea) FROM PUBLIC;

REVOKE ALL ON FUNCTION identity.sealed_context(user_id uuid, credential_id uuid, logged_in_at timestamp with time zone, scopes text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION identity.set_context(context text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_creat(integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_create(oid) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_from_bytea(oid, bytea) FROM PUBLIC;

GRANT DELETE ON TABLE identity.deleted_users TO todo_auth;

GRANT SELECT(id),INSERT(id) ON TABLE identity.deleted_users TO todo_auth;

GRANT SELECT(deleted_at) ON TABLE identity.deleted_users TO todo_auth;

GRANT DELETE ON TABLE identity.events TO todo_auth;

GRANT SELECT(user_id),INSERT(user_id) ON TABLE identity.events TO todo_auth;

GRANT SELECT(id),INSERT(id) ON TABLE identity.events TO todo_api;
GRANT SELECT(id),INSERT(id) ON TABLE identity.events TO todo_auth;

GRANT SELECT(kind),INSERT(kind) ON TABLE identity.events TO todo_api;
GRANT SELECT(kind),INSERT(kind) ON TABLE identity.events TO todo_auth;

GRANT SELECT(subject_id),INSERT(subject_id) ON TABLE identity.events TO todo_api;
GRANT INSERT(subject_id) ON TABLE identity.events TO todo_auth;

GRANT SELECT(ip),INSERT(ip) ON TABLE identity.events TO todo_api;
GRANT INSERT(ip) ON TABLE identity.events TO todo_auth;

GRANT SELECT(user_agent),INSERT(user_agent) ON TABLE identity.events TO todo_api;
GRANT INSERT(user_agent) ON TABLE identity.events TO todo_auth;

GRANT SELECT(count) ON TABLE identity.events TO todo_api;
GRANT SELECT(count),UPDATE(count) ON TABLE identity.events TO todo_auth;

GRANT SELECT(created_at) ON TABLE identity.events TO todo_api;
GRANT SELECT(created_at) ON TABLE identity.events TO todo_auth;

GRANT DELETE ON TABLE identity.refresh_tokens TO todo_auth;

GRANT SELECT(user_id),INSERT(user_id) ON TABLE identity.refresh_tokens TO todo_auth;

GRANT SELECT(hash),INSERT(hash) ON TABLE identity.refresh_tokens TO todo_auth;

GRANT SELECT(session_id),INSERT(session_id) ON TABLE identity.refresh_tokens TO todo_auth;

GRANT SELECT(expires_at),INSERT(expires_at) ON TABLE identity.refresh_tokens TO todo_auth;

GRANT SELECT(spent_at),UPDATE(spent_at) ON TABLE identity.refresh_tokens TO todo_auth;

GRANT SELECT(successor_seed),UPDATE(successor_seed) ON TABLE identity.refresh_tokens TO todo_auth;

GRANT DELETE ON TABLE public.idempotency_keys TO todo_auth;

GRANT SELECT(user_id) ON TABLE public.idempotency_keys TO todo_api;
GRANT SELECT(user_id) ON TABLE public.idempotency_keys TO todo_auth;

GRANT SELECT(key),INSERT(key) ON TABLE public.idempotency_keys TO todo_api;
GRANT SELECT(key) ON TABLE public.idempotency_keys TO todo_auth;

GRANT SELECT(fingerprint),INSERT(fingerprint),UPDATE(fingerprint) ON TABLE public.idempotency_keys TO todo_api;

GRANT SELECT(result),INSERT(result),UPDATE(result) ON TABLE public.idempotency_keys TO todo_api;

GRANT SELECT(expires_at),UPDATE(expires_at) ON TABLE public.idempotency_keys TO todo_api;
GRANT SELECT(expires_at) ON TABLE public.idempotency_keys TO todo_auth;

GRANT DELETE ON TABLE public.todos TO todo_api;
GRANT DELETE ON TABLE public.todos TO todo_auth;

GRANT SELECT(user_id) ON TABLE public.todos TO todo_api;
GRANT SELECT(user_id) ON TABLE public.todos TO todo_auth;

GRANT SELECT(id),INSERT(id) ON TABLE public.todos TO todo_api;

GRANT SELECT(title),INSERT(title),UPDATE(title) ON TABLE public.todos TO todo_api;

GRANT SELECT(notes),INSERT(notes),UPDATE(notes) ON TABLE public.todos TO todo_api;

GRANT SELECT(folded_title),INSERT(folded_title),UPDATE(folded_title) ON TABLE public.todos TO todo_api;

GRANT SELECT(folded_notes),INSERT(folded_notes),UPDATE(folded_notes) ON TABLE public.todos TO todo_api;

GRANT SELECT(completed),INSERT(completed),UPDATE(completed) ON TABLE public.todos TO todo_api;

GRANT SELECT(completed_at),INSERT(completed_at),UPDATE(completed_at) ON TABLE public.todos TO todo_api;

GRANT SELECT(due_at),INSERT(due_at),UPDATE(due_at) ON TABLE public.todos TO todo_api;

GRANT SELECT(priority),INSERT(priority),UPDATE(priority) ON TABLE public.todos TO todo_api;

GRANT SELECT(tags),INSERT(tags),UPDATE(tags) ON TABLE public.todos TO todo_api;

GRANT SELECT("position"),INSERT("position"),UPDATE("position") ON TABLE public.todos TO todo_api;

GRANT SELECT(version),INSERT(version),UPDATE(version) ON TABLE public.todos TO todo_api;

GRANT SELECT(created_at),INSERT(created_at) ON TABLE public.todos TO todo_api;

GRANT SELECT(updated_at),UPDATE(updated_at) ON TABLE public.todos TO todo_api;

GRANT DELETE ON TABLE public.trashed_todos TO todo_api;
GRANT DELETE ON TABLE public.trashed_todos TO todo_auth;

GRANT SELECT(user_id) ON TABLE public.trashed_todos TO todo_api;
GRANT SELECT(user_id) ON TABLE public.trashed_todos TO todo_auth;

GRANT SELECT(id),INSERT(id) ON TABLE public.trashed_todos TO todo_api;
GRANT SELECT(id) ON TABLE public.trashed_todos TO todo_auth;

GRANT SELECT(title),INSERT(title) ON TABLE public.trashed_todos TO todo_api;

GRANT SELECT(notes),INSERT(notes) ON TABLE public.trashed_todos TO todo_api;

GRANT SELECT(folded_title),INSERT(folded_title) ON TABLE public.trashed_todos TO todo_api;

GRANT SELECT(folded_notes),INSERT(folded_notes) ON TABLE public.trashed_todos TO todo_api;

GRANT SELECT(completed),INSERT(completed) ON TABLE public.trashed_todos TO todo_api;

GRANT SELECT(completed_at),INSERT(completed_at) ON TABLE public.trashed_todos TO todo_api;

GRANT SELECT(due_at),INSERT(due_at) ON TABLE public.trashed_todos TO todo_api;

GRANT SELECT(priority),INSERT(priority) ON TABLE public.trashed_todos TO todo_api;

GRANT SELECT(tags),INSERT(tags) ON TABLE public.trashed_todos TO todo_api;

GRANT SELECT("position"),INSERT("position") ON TABLE public.trashed_todos TO todo_api;

GRANT SELECT(version),INSERT(version) ON TABLE public.trashed_todos TO todo_api;

GRANT SELECT(created_at),INSERT(created_at) ON TABLE public.trashed_todos TO todo_api;

GRANT SELECT(updated_at),INSERT(updated_at) ON TABLE public.trashed_todos TO todo_api;

GRANT SELECT(deleted_at) ON TABLE public.trashed_todos TO todo_api;

GRANT SELECT(expires_at),INSERT(expires_at) ON TABLE public.trashed_todos TO todo_api;
GRANT SELECT(expires_at) ON TABLE public.trashed_todos TO todo_auth;

REVOKE ALL ON FUNCTION app.start_totp(new_sealed_seed bytea, new_proof_hash bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION app.start_totp(new_sealed_seed bytea, new_proof_hash bytea) TO todo_api;

ALTER DEFAULT PRIVILEGES FOR ROLE todo_auth REVOKE ALL ON FUNCTIONS  FROM PUBLIC;

ALTER DEFAULT PRIVILEGES FOR ROLE todo_owner REVOKE ALL ON FUNCTIONS  FROM PUBLIC;
