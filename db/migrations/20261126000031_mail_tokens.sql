-- migrate:up

-- Nullable and without a default, so the table is not rewritten.
alter table users add column email_verified_at timestamptz;
grant select (email_verified_at) on users to todo_api;
grant select (email_verified_at), update (email_verified_at) on users to todo_auth;
comment on column users.email_verified_at is 'When the user proved to receive mail at this address; null until then.';
-- Whoever follows a mailed link has no session: the token names the user.
alter policy users_update_auth on users using (true) with check (true);
comment on policy users_update_auth on users is 'app.change_account, app.verify_email, app.undo_email_change and app.reset_password change a user''s address or its state.';

create table identity.mail_tokens (
  user_id uuid not null,
  hash bytea not null,
  purpose text not null,
  email text not null,
  email_folded text not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  constraint mail_tokens_pkey primary key (user_id, hash),
  constraint mail_tokens_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
  constraint mail_tokens_purpose_known check (purpose in ('reset_password', 'verify_email', 'undo_email')),
  constraint mail_tokens_hash_sha256 check (length(hash) = 32)
);

-- For the removal of expired tokens.
create index mail_tokens_expires_at_idx on identity.mail_tokens (expires_at);

alter table identity.mail_tokens enable row level security;
alter table identity.mail_tokens force row level security;

-- No policy and no grant for todo_api: it uses tokens only through functions that require the secret.
create policy mail_tokens_select_auth on identity.mail_tokens for select to todo_auth using (true);
create policy mail_tokens_insert_auth on identity.mail_tokens for insert to todo_auth with check (true);
create policy mail_tokens_delete_auth on identity.mail_tokens for delete to todo_auth using (true);

grant select (user_id, hash, purpose, email, email_folded, created_at, expires_at),
      insert (user_id, hash, purpose, email, email_folded, created_at, expires_at),
      delete
  on identity.mail_tokens to todo_auth;

comment on table identity.mail_tokens is 'The tokens in mailed links, and in those that the operator passes on. Each works once.';
comment on column identity.mail_tokens.hash is 'SHA-256 of the token''s secret, which exists only in the link.';
comment on column identity.mail_tokens.email is 'The address that the mail was sent to: the one to confirm, or to restore. Empty for a link of the operator.';
comment on column identity.mail_tokens.created_at is 'When the mail was queued, or the link made: undoing a change of the address also ends the links of later changes.';
comment on policy mail_tokens_select_auth on identity.mail_tokens is 'The functions that take a token look it up.';
comment on policy mail_tokens_insert_auth on identity.mail_tokens is 'app.add_mail_token stores the hash just before the mail is sent, app.operate_on_user that of the operator''s link.';
comment on policy mail_tokens_delete_auth on identity.mail_tokens is 'A token is deleted when it is used, replaced or expired.';

create table identity.mail_requests (
  id uuid not null,
  kind text not null,
  email_folded text not null,
  ip inet,
  user_agent text,
  created_at timestamptz not null default now(),
  constraint mail_requests_pkey primary key (id),
  constraint mail_requests_kind_known check (kind in ('reset_password', 'already_registered')),
  constraint mail_requests_user_agent_length check (char_length(user_agent) <= 512)
);

alter table identity.mail_requests enable row level security;
alter table identity.mail_requests force row level security;

create policy mail_requests_select_auth on identity.mail_requests for select to todo_auth using (true);
create policy mail_requests_insert_auth on identity.mail_requests for insert to todo_auth with check (true);
create policy mail_requests_delete_auth on identity.mail_requests for delete to todo_auth using (true);

grant select (id, kind, email_folded, ip, user_agent, created_at), insert (id, kind, email_folded, ip, user_agent), delete
  on identity.mail_requests to todo_auth;

comment on table identity.mail_requests is 'Requests for a mail to an address that may have no account. The sender looks for the account later, so that the request takes the same time for every address.';
comment on column identity.mail_requests.id is 'Also the id of the event, if there is an account.';
comment on policy mail_requests_select_auth on identity.mail_requests is 'app.claim_mails takes the requests.';
comment on policy mail_requests_insert_auth on identity.mail_requests is 'app.request_password_reset and app.register add one.';
comment on policy mail_requests_delete_auth on identity.mail_requests is 'app.claim_mails removes the requests that it has taken.';

alter table identity.events drop constraint events_kind_known;
alter table identity.events add constraint events_kind_known check (kind in ('login', 'login_failed', 'refresh_reused',
  'password_changed', 'password_reset_requested', 'password_reset', 'email_changed', 'email_change_requested',
  'email_change_undone', 'email_verified', 'token_created', 'token_revoked')) not valid;

-- app.reset_password revokes tokens, too.
alter policy access_tokens_delete_auth on identity.access_tokens using (true);
comment on policy access_tokens_delete_auth on identity.access_tokens is 'Tokens are removed 30 days after they expired, so that users can see why a script stopped working, or by a new password if its user wishes.';

-- migrate:down

alter policy access_tokens_delete_auth on identity.access_tokens using (expires_at < now() - interval '30 days');
comment on policy access_tokens_delete_auth on identity.access_tokens is 'Tokens are removed 30 days after they expired, so that users can see why a script stopped working.';
-- Events of the new kinds have no place in the old schema. The owner sees no events without this policy.
create policy events_all_owner on identity.events to current_user using (true);
delete from identity.events where kind in ('password_reset_requested', 'password_reset', 'email_change_requested',
  'email_change_undone', 'email_verified');
drop policy events_all_owner on identity.events;
alter table identity.events drop constraint events_kind_known;
alter table identity.events add constraint events_kind_known check (kind in ('login', 'login_failed', 'refresh_reused',
  'password_changed', 'email_changed', 'token_created', 'token_revoked')) not valid;
alter table identity.events validate constraint events_kind_known;
drop table identity.mail_requests;
drop table identity.mail_tokens;
alter policy users_update_auth on users using (id = app.user_id()) with check (id = app.user_id());
comment on policy users_update_auth on users is 'app.change_account changes the email of the transaction''s user.';
alter table users drop column email_verified_at;
