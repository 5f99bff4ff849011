-- migrate:up

create table identity.events (
  user_id uuid not null default app.user_id(),
  id uuid not null,
  kind text not null,
  subject_id uuid,
  ip inet,
  user_agent text,
  created_at timestamptz not null default now(),
  constraint events_pkey primary key (user_id, id),
  constraint events_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
  constraint events_kind_known check (kind in ('login', 'login_failed', 'refresh_reused', 'password_changed',
    'email_changed', 'token_created', 'token_revoked')),
  constraint events_user_agent_length check (char_length(user_agent) <= 512)
);

-- For the removal of old events.
create index events_created_at_idx on identity.events (created_at);

alter table identity.events enable row level security;
alter table identity.events force row level security;

-- Nobody updates an event, and only old ones are deleted: an audit trail must not be editable.
create policy events_select_own on identity.events for select to todo_api
  using (user_id = app.user_id('account'));
create policy events_insert_own on identity.events for insert to todo_api
  with check (user_id = app.user_id('account'));
create policy events_insert_auth on identity.events for insert to todo_auth with check (true);
create policy events_select_auth on identity.events for select to todo_auth
  using (created_at < now() - interval '1 year');
create policy events_delete_auth on identity.events for delete to todo_auth
  using (created_at < now() - interval '1 year');

grant select (id, kind, subject_id, ip, user_agent, created_at), insert (id, kind, subject_id, ip, user_agent)
  on identity.events to todo_api;
grant select (user_id, id, created_at), insert (user_id, id, kind, subject_id, ip, user_agent), delete
  on identity.events to todo_auth;

comment on table identity.events is 'Account activity, for its user to read. Holds no secrets; deleted with the account.';
comment on column identity.events.subject_id is 'The session or token that the event is about.';
comment on policy events_select_own on identity.events is 'Users read their own account activity, with the scope account.';
comment on policy events_insert_own on identity.events is 'A change that users make to their own account is recorded in the same transaction.';
comment on policy events_insert_auth on identity.events is 'app.login, app.refresh and app.change_account record what happens.';
comment on policy events_select_auth on identity.events is 'The removal finds old events; no function reads others.';
comment on policy events_delete_auth on identity.events is 'Events are removed after a year.';

-- migrate:down

drop table identity.events;
