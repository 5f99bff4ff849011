-- migrate:up

create table identity.events (
  user_id uuid not null default app.user_id(),
  id uuid not null,
  kind text not null,
  subject_id uuid,
  ip inet,
  user_agent text,
  count integer not null default 1,
  created_at timestamptz not null default now(),
  constraint events_pkey primary key (user_id, id),
  constraint events_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
  constraint events_kind_known check (kind in ('login', 'login_failed', 'refresh_reused', 'password_changed',
    'email_changed', 'token_created', 'token_revoked')),
  constraint events_count_positive check (count > 0),
  constraint events_user_agent_length check (char_length(user_agent) <= 512)
);

-- For the removal of old events.
create index events_created_at_idx on identity.events (created_at);
-- For app.login, which counts recent failures: otherwise the time of a rejected login would grow with the user's events.
create index events_login_failed_idx on identity.events (user_id, created_at) where kind = 'login_failed';

alter table identity.events enable row level security;
alter table identity.events force row level security;

-- Only old events are deleted, and only the count of recent failed logins changes: an audit trail must not be editable.
create policy events_select_own on identity.events for select to todo_api
  using (user_id = app.user_id('account'));
create policy events_insert_own on identity.events for insert to todo_api
  with check (user_id = app.user_id('account'));
create policy events_insert_auth on identity.events for insert to todo_auth with check (true);
create policy events_select_auth on identity.events for select to todo_auth
  using (created_at < now() - interval '1 year' or (kind = 'login_failed' and created_at > now() - interval '1 hour'));
create policy events_update_auth on identity.events for update to todo_auth
  using (kind = 'login_failed' and created_at > now() - interval '1 hour')
  with check (kind = 'login_failed' and created_at > now() - interval '1 hour');
create policy events_delete_auth on identity.events for delete to todo_auth
  using (created_at < now() - interval '1 year');

grant select (id, kind, subject_id, ip, user_agent, count, created_at), insert (id, kind, subject_id, ip, user_agent)
  on identity.events to todo_api;
grant select (user_id, id, kind, count, created_at), insert (user_id, id, kind, subject_id, ip, user_agent),
      update (count), delete
  on identity.events to todo_auth;

comment on table identity.events is 'Account activity, for its user to read. Holds no secrets; deleted with the account.';
comment on column identity.events.subject_id is 'The session or token that the event is about.';
comment on policy events_select_own on identity.events is 'Users read their own account activity, with the scope account.';
comment on policy events_insert_own on identity.events is 'A change that users make to their own account is recorded in the same transaction.';
comment on policy events_insert_auth on identity.events is 'app.login, app.refresh and app.change_account record what happens.';
comment on column identity.events.count is 'How often: more than 1 where further failed logins of the hour are counted.';
comment on policy events_select_auth on identity.events is 'The removal finds old events, app.login the failures of the last hour; no function reads others.';
comment on policy events_update_auth on identity.events is 'app.login counts a failed login on the newest of the last hour.';
comment on policy events_delete_auth on identity.events is 'Events are removed after a year.';

-- migrate:down

drop table identity.events;
