-- migrate:up

-- A table of its own and not a column of users: it is nearly always empty, so looking into it costs a request nothing.
create table identity.locked_users (
  user_id uuid not null,
  created_at timestamptz not null default now(),
  constraint locked_users_pkey primary key (user_id),
  constraint locked_users_user_id_fkey foreign key (user_id) references users (id) on delete cascade
);

alter table identity.locked_users enable row level security, force row level security;

-- No policy and no grant for todo_api: the operator locks users through app.operate_on_user.
create policy locked_users_select_auth on identity.locked_users for select to todo_auth using (true);
create policy locked_users_insert_auth on identity.locked_users for insert to todo_auth with check (true);
create policy locked_users_delete_auth on identity.locked_users for delete to todo_auth using (true);
create policy users_delete_auth on users for delete to todo_auth using (id = app.user_id('account'));

grant select (user_id, created_at), insert (user_id), delete on identity.locked_users to todo_auth;
grant delete on users to todo_auth;

comment on table identity.locked_users is 'The users whom the operator has locked: they cannot log in, refresh or use a token.';
comment on policy locked_users_select_auth on identity.locked_users is 'app.authenticate, app.login and app.refresh refuse a locked user.';
comment on policy locked_users_insert_auth on identity.locked_users is 'app.operate_on_user locks a user.';
comment on policy locked_users_delete_auth on identity.locked_users is 'app.operate_on_user unlocks a user.';
comment on policy users_delete_auth on users is 'app.operate_on_user deletes the transaction''s user, whom it makes the one that the operator names.';

-- migrate:down

revoke delete on users from todo_auth;
drop policy users_delete_auth on users;
drop table identity.locked_users;
