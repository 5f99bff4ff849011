-- migrate:up

-- The second factor: codes of an authenticator app (TOTP, RFC 6238). The API encrypts the seed with a key that the
-- database does not have, and checks the codes. The database cannot, but it demands a proof: an HMAC that can only be
-- computed from the seed. So whoever has the password and this role's rights still cannot log in without the API's key.
create table identity.totp_seeds (
  user_id uuid not null,
  sealed_seed bytea not null,
  proof_hash bytea not null,
  confirmed_at timestamptz,
  last_step bigint not null default 0,
  failures integer not null default 0,
  failures_since timestamptz not null default now(),
  created_at timestamptz not null default now(),
  constraint totp_seeds_pkey primary key (user_id),
  constraint totp_seeds_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
  constraint totp_seeds_sealed_seed_length check (length(sealed_seed) between 40 and 100),
  constraint totp_seeds_proof_hash_sha256 check (length(proof_hash) = 32)
);

create table identity.recovery_codes (
  user_id uuid not null,
  hash bytea not null,
  constraint recovery_codes_pkey primary key (user_id, hash),
  constraint recovery_codes_user_id_fkey foreign key (user_id) references identity.totp_seeds (user_id) on delete cascade,
  constraint recovery_codes_hash_sha256 check (length(hash) = 32)
);

alter table identity.totp_seeds enable row level security, force row level security;
alter table identity.recovery_codes enable row level security, force row level security;

-- Users see whether they have a second factor, and how many recovery codes are left. Only functions write.
create policy totp_seeds_select_own on identity.totp_seeds for select to todo_api
  using (user_id = app.user_id('account'));
create policy totp_seeds_select_auth on identity.totp_seeds for select to todo_auth using (true);
create policy totp_seeds_insert_auth on identity.totp_seeds for insert to todo_auth
  with check (user_id = app.user_id('account'));
create policy totp_seeds_update_auth on identity.totp_seeds for update to todo_auth using (true) with check (true);
create policy totp_seeds_delete_auth on identity.totp_seeds for delete to todo_auth using (true);
create policy recovery_codes_select_own on identity.recovery_codes for select to todo_api
  using (user_id = app.user_id('account'));
create policy recovery_codes_select_auth on identity.recovery_codes for select to todo_auth using (true);
create policy recovery_codes_insert_auth on identity.recovery_codes for insert to todo_auth
  with check (user_id = app.user_id('account'));
create policy recovery_codes_delete_auth on identity.recovery_codes for delete to todo_auth using (true);

grant select (sealed_seed, confirmed_at) on identity.totp_seeds to todo_api;
grant select (user_id, sealed_seed, proof_hash, confirmed_at, last_step, failures, failures_since),
      insert (user_id, sealed_seed, proof_hash),
      update (sealed_seed, proof_hash, confirmed_at, last_step, failures, failures_since),
      delete
  on identity.totp_seeds to todo_auth;
grant select (user_id) on identity.recovery_codes to todo_api;
grant select (user_id, hash), insert (user_id, hash), delete on identity.recovery_codes to todo_auth;

comment on table identity.totp_seeds is 'The seed of a user''s authenticator app. Not in use before it is confirmed by a code.';
comment on column identity.totp_seeds.sealed_seed is 'Encrypted by the API with AES-256-GCM and a key from its environment, TOTP_KEY.';
comment on column identity.totp_seeds.proof_hash is 'SHA-256 of an HMAC under the seed: the API proves with it that it has the seed, and so the key.';
comment on column identity.totp_seeds.last_step is 'The time step of the last code that was used: a code works once.';
comment on column identity.totp_seeds.failures is 'Wrong codes since failures_since: five in 15 minutes are allowed.';
comment on table identity.recovery_codes is 'Codes that replace the authenticator app, each once.';
comment on column identity.recovery_codes.hash is 'SHA-256 of the code, which has 120 random bits.';
comment on policy totp_seeds_select_own on identity.totp_seeds is 'Users see their own second factor, with the scope account.';
comment on policy totp_seeds_select_auth on identity.totp_seeds is 'app.login checks the second factor of the user who logs in.';
comment on policy totp_seeds_insert_auth on identity.totp_seeds is 'app.start_totp adds a seed for the transaction''s user.';
comment on policy totp_seeds_update_auth on identity.totp_seeds is 'app.login counts wrong codes and remembers the last step; app.confirm_totp confirms.';
comment on policy totp_seeds_delete_auth on identity.totp_seeds is 'app.remove_totp, and the operator for a user who has lost the device.';
comment on policy recovery_codes_select_own on identity.recovery_codes is 'Users count their own recovery codes, with the scope account.';
comment on policy recovery_codes_select_auth on identity.recovery_codes is 'app.login finds the code that it is given.';
comment on policy recovery_codes_insert_auth on identity.recovery_codes is 'app.confirm_totp adds the codes of the transaction''s user.';
comment on policy recovery_codes_delete_auth on identity.recovery_codes is 'app.login deletes a code that is used.';

-- app.login compares the devices.
grant select (user_agent) on identity.sessions to todo_auth;

alter table identity.events drop constraint events_kind_known;
alter table identity.events add constraint events_kind_known check (kind in ('login', 'login_failed', 'refresh_reused',
  'password_changed', 'email_changed', 'token_created', 'token_revoked', 'password_reset_requested', 'password_reset',
  'email_verified', 'email_change_requested', 'email_change_undone', 'totp_enabled', 'totp_disabled', 'totp_failed',
  'recovery_code_used', 'operator_locked', 'operator_unlocked', 'operator_ended_sessions', 'operator_reset_password',
  'operator_reset_totp')) not valid;

-- migrate:down

revoke select (user_agent) on identity.sessions from todo_auth;
create policy events_delete_owner on identity.events for delete to current_user using (true);
create policy events_select_owner on identity.events for select to current_user using (true);
delete from identity.events where kind like any ('{totp\\_%,operator\\_%,recovery\\_%}');
drop policy events_select_owner on identity.events;
drop policy events_delete_owner on identity.events;
alter table identity.events drop constraint events_kind_known;
alter table identity.events add constraint events_kind_known check (kind in ('login', 'login_failed', 'refresh_reused',
  'password_changed', 'email_changed', 'token_created', 'token_revoked', 'password_reset_requested', 'password_reset',
  'email_verified', 'email_change_requested', 'email_change_undone')) not valid;
alter table identity.events validate constraint events_kind_known;
drop table identity.recovery_codes;
drop table identity.totp_seeds;
