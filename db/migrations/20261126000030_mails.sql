-- migrate:up

create table identity.mails (
  user_id uuid not null,
  id uuid not null,
  kind text not null,
  recipient text not null,
  recipient_folded text not null,
  params jsonb not null,
  attempts integer not null default 0,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  next_attempt_at timestamptz default now(),
  constraint mails_pkey primary key (user_id, id),
  constraint mails_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
  constraint mails_kind_known check (kind in ('verify_email', 'confirm_email', 'reset_password', 'already_registered',
    'login_from_new_device', 'session_ended', 'password_changed', 'email_changed', 'second_factor_changed',
    'token_created')),
  constraint mails_recipient_length check (char_length(recipient) between 3 and 254),
  constraint mails_params_size check (length(params::text) <= 4000)
);

-- For the sender, which looks for mails that are due.
create index mails_next_attempt_at_idx on identity.mails (next_attempt_at) where next_attempt_at is not null;
-- For the limit per address, which counts mails of all accounts.
create index mails_recipient_folded_idx on identity.mails (recipient_folded);
-- For the removal of old mails.
create index mails_created_at_idx on identity.mails (created_at);

alter table identity.mails enable row level security;
alter table identity.mails force row level security;

-- No policy and no grant for todo_api: it reaches mails only through the functions below.
create policy mails_select_auth on identity.mails for select to todo_auth using (true);
create policy mails_insert_auth on identity.mails for insert to todo_auth with check (true);
create policy mails_update_auth on identity.mails for update to todo_auth
  using (next_attempt_at is not null) with check (true);
create policy mails_delete_auth on identity.mails for delete to todo_auth
  using (created_at < now() - interval '1 day');

grant select (user_id, id, kind, recipient, recipient_folded, params, attempts, created_at, expires_at, next_attempt_at),
      insert (user_id, id, kind, recipient, recipient_folded, params, expires_at),
      update (params, attempts, next_attempt_at),
      delete
  on identity.mails to todo_auth;

comment on table identity.mails is 'Outbox: mails are queued in the transaction of what they report, and kept for a day, which the limits need.';
comment on column identity.mails.recipient_folded is 'The form in which addresses are compared, for the limit per address.';
comment on column identity.mails.params is 'What the text needs. A token in it is encrypted by the API. Emptied when the mail has been sent or given up.';
comment on column identity.mails.attempts is 'How often the mail was handed to a sender.';
comment on column identity.mails.expires_at is 'After this time the mail is of no use and is not sent.';
comment on column identity.mails.next_attempt_at is 'When it is due. A sender postpones it while it sends, so that another one takes over if it crashes. Null when the mail has been sent or given up.';
comment on policy mails_select_auth on identity.mails is 'identity.queue_mail counts mails, app.claim_mails reads those that are due.';
comment on policy mails_insert_auth on identity.mails is 'identity.queue_mail adds a mail.';
comment on policy mails_update_auth on identity.mails is 'app.claim_mails and app.finish_mail write the state of unsent mails.';
comment on policy mails_delete_auth on identity.mails is 'Mails are removed after a day.';

-- A hash of the secret that the API sends mails with is kept beside the keys, and left out of dumps with them.
alter table identity.secret_keys drop constraint secret_keys_purpose_known;
alter table identity.secret_keys add constraint secret_keys_purpose_known
  check (purpose in ('context', 'password_salt', 'mail_sender')) not valid;
alter table identity.secret_keys validate constraint secret_keys_purpose_known;
comment on column identity.secret_keys.purpose is 'context: seals app.context; the newest one seals, those before it are still accepted. password_salt: makes up salts for unknown emails. mail_sender: SHA-512 of the secret that app.claim_mails requires, in both blocks.';
alter policy secret_keys_delete_auth on identity.secret_keys using (purpose in ('context', 'mail_sender'));
comment on policy secret_keys_delete_auth on identity.secret_keys is 'app.rotate_context_key removes the context keys that were replaced and the mail sender, app.claim_mails the sender that was replaced.';

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

create function identity.queue_mail(
    mail_user uuid, mail_kind text, mail_to text, mail_params jsonb, mail_to_folded text default null)
  returns boolean
  language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
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
comment on function identity.queue_mail(uuid, text, text, jsonb, text) is
  'Queues a mail, to the user''s current address unless another one is given; false when the account or the address has had 5 mails of the kind in an hour or 20 in a day. For definer functions only.';

create function app.claim_mails(sender bytea, previous_sender bytea, batch integer, lease_seconds integer)
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

create function app.finish_mail(sender bytea, mail_user uuid, mail_id uuid, attempt integer, outcome text)
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

create function app.remove_old_mails(batch integer) returns table (removed integer, unsent integer)
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

create function app.count_mails() returns table (waiting integer, oldest_seconds double precision)
  language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select count(*)::integer, coalesce(extract(epoch from now() - min(m.created_at)), 0)::double precision
  from identity.mails m where m.next_attempt_at is not null and m.expires_at > now();
end;
comment on function app.count_mails() is 'How many mails wait to be sent, and the age of the oldest, for the metrics.';

create or replace function app.rotate_context_key() returns void
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
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
comment on function app.rotate_context_key() is 'Makes a new key for app.context, and removes those that were replaced more than five minutes ago: requests can go on meanwhile. Also forgets which secret sends mails.';

grant execute on function app.claim_mails(bytea, bytea, integer, integer),
    app.finish_mail(bytea, uuid, uuid, integer, text), app.remove_old_mails(integer), app.count_mails()
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
drop function app.claim_mails(bytea, bytea, integer, integer), app.finish_mail(bytea, uuid, uuid, integer, text),
  app.remove_old_mails(integer), app.count_mails(), identity.queue_mail(uuid, text, text, jsonb, text);
delete from identity.secret_keys where purpose = 'mail_sender';
create or replace function app.rotate_context_key() returns void
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
  -- A key stays for five minutes after a newer one was made, for the transactions that it has sealed.
  delete from identity.secret_keys k where k.purpose = 'context' and exists (
    select from identity.secret_keys l
    where l.purpose = 'context' and l.id > k.id and l.created_at < now() - interval '5 minutes');
  perform identity.add_key('context');
  if not exists (select from identity.secret_keys k where k.purpose = 'password_salt') then
    perform identity.add_key('password_salt');
  end if;
end
$$;
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
alter policy secret_keys_delete_auth on identity.secret_keys using (purpose = 'context');
alter table identity.secret_keys drop constraint secret_keys_purpose_known;
alter table identity.secret_keys add constraint secret_keys_purpose_known
  check (purpose in ('context', 'password_salt')) not valid;
alter table identity.secret_keys validate constraint secret_keys_purpose_known;
drop table identity.mails;
