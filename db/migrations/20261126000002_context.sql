-- migrate:up

-- Who is asking is one transaction-local setting, app.context, written by app.authenticate:
--
--   <key id> <seal> <user> <credential> <login time or -> <scopes>
--
-- Any role can set any setting, so the seal makes it unforgeable: an HMAC (RFC 2104) with SHA-256 over the fields, the
-- backend's process id and the start time of the transaction, under a key that only todo_auth reads. Neither a made-up
-- context nor one copied from another transaction passes. No field contains a space, except the list at the end.

create table identity.secret_keys (
  purpose text not null,
  id integer not null,
  inner_block bytea not null,
  outer_block bytea not null,
  created_at timestamptz not null default now(),
  constraint secret_keys_pkey primary key (purpose, id),
  constraint secret_keys_purpose_known check (purpose in ('context', 'password_salt')),
  constraint secret_keys_block_length check (length(inner_block) = 64 and length(outer_block) = 64)
);

alter table identity.secret_keys enable row level security;
alter table identity.secret_keys force row level security;

create policy secret_keys_select_auth on identity.secret_keys for select to todo_auth using (true);
create policy secret_keys_insert_auth on identity.secret_keys for insert to todo_auth with check (true);
create policy secret_keys_delete_auth on identity.secret_keys for delete to todo_auth using (purpose = 'context');

grant select (purpose, id, inner_block, outer_block, created_at), insert (purpose, id, inner_block, outer_block), delete
  on identity.secret_keys to todo_auth;

comment on table identity.secret_keys is 'Keys that never leave the database: leave this table''s data out of dumps, and call app.rotate_context_key() after a restore.';
comment on column identity.secret_keys.purpose is 'context: seals app.context; the newest one seals, those before it are still accepted. password_salt: makes up salts for unknown emails.';
comment on column identity.secret_keys.inner_block is 'The key, padded to a block of SHA-256 and combined with ipad (RFC 2104, section 2).';
comment on column identity.secret_keys.outer_block is 'The same with opad.';
comment on policy secret_keys_select_auth on identity.secret_keys is 'The functions that seal and verify the context, and app.password_salt, read a key.';
comment on policy secret_keys_insert_auth on identity.secret_keys is 'app.rotate_context_key adds a key.';
comment on policy secret_keys_delete_auth on identity.secret_keys is 'app.rotate_context_key removes the context keys that were replaced.';

grant create on schema app, identity to todo_auth;
set local role todo_auth;

create function identity.context_binding() returns text
  language sql stable parallel restricted
  return pg_backend_pid()::text || ' ' || extract(epoch from now())::text;
comment on function identity.context_binding() is 'What a seal is valid for: this transaction of this backend.';

create function identity.hmac(inner_block bytea, outer_block bytea, message text) returns bytea
  language sql stable parallel safe
  return sha256(outer_block || sha256(inner_block || convert_to(message, 'UTF8')));
comment on function identity.hmac(bytea, bytea, text) is 'HMAC-SHA-256 (RFC 2104).';

create function identity.sealed_context(user_id uuid, credential_id uuid, logged_in_at timestamptz, scopes text[])
  returns text
  language plpgsql stable parallel restricted set search_path = pg_catalog, pg_temp
as $$
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
comment on function identity.sealed_context(uuid, uuid, timestamptz, text[]) is 'A value for app.context. Only todo_auth may call it.';

create function app.context(required_scope text default null) returns text[]
  language plpgsql stable parallel restricted security definer set search_path = pg_catalog, pg_temp
as $$
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
comment on function app.context(text) is 'The fields of app.context (user, credential, login time, then the scopes); null unless app.authenticate sealed them in this transaction, and they hold the scope.';

create function identity.add_key(new_purpose text) returns void
  language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
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
comment on function identity.add_key(text) is 'Makes a new key for a purpose.';

create function app.rotate_context_key() returns void
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
comment on function app.rotate_context_key() is 'Makes a new key for app.context, and removes those that were replaced more than five minutes ago: requests can go on meanwhile.';

create function app.has_context_key() returns boolean
  language sql stable security definer set search_path = pg_catalog, pg_temp
  return exists (select from identity.secret_keys where purpose = 'context');
comment on function app.has_context_key() is 'Whether there is a key: the API is ready only then.';

-- Plain SQL, so that the planner inlines it: app.context() is then called once per scan, in the index condition. A
-- separate condition for the scope would be a filter, called for each row.
create function app.user_id(required_scope text default null) returns uuid
  language sql stable parallel restricted
  return (app.context(required_scope))[1]::uuid;
comment on function app.user_id(text) is 'The user of this transaction; null when there is none, or the credential does not have the scope.';

create function app.credential_id() returns uuid
  language sql stable parallel restricted
  return (app.context())[2]::uuid;
comment on function app.credential_id() is 'The session or personal access token that authenticated this transaction.';

create function app.logged_in_at() returns timestamptz
  language sql stable parallel restricted
  return to_timestamp(nullif((app.context())[3], '-')::double precision);
comment on function app.logged_in_at() is 'When this transaction''s session logged in; null for a personal access token.';

create function app.scopes() returns text[]
  language sql stable parallel restricted
  return (app.context())[4:];
comment on function app.scopes() is 'The scopes of this transaction''s credential.';

create function app.has_scope(scope text) returns boolean
  language sql stable parallel restricted
  return app.context(scope) is not null;
comment on function app.has_scope(text) is 'Whether this transaction''s credential has the scope.';

grant execute on function app.context(text), app.has_context_key(), app.user_id(text), app.credential_id(), app.logged_in_at(),
  app.scopes(), app.has_scope(text) to todo_api;
do $$ begin execute format('grant execute on function app.rotate_context_key() to %I', session_user); end $$;
select app.rotate_context_key();

reset role;
revoke create on schema app, identity from todo_auth;

-- migrate:down

set local role todo_auth;
drop function app.has_scope(text), app.scopes(), app.logged_in_at(), app.credential_id(), app.user_id(text),
  app.has_context_key(), app.rotate_context_key(), app.context(text);
drop function identity.add_key(text), identity.sealed_context(uuid, uuid, timestamptz, text[]),
  identity.hmac(bytea, bytea, text), identity.context_binding();
reset role;
drop table identity.secret_keys;
