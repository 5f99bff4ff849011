-- migrate:up

create table users (
  id uuid not null,
  email text not null,
  created_at timestamptz not null default now(),
  constraint users_pkey primary key (id),
  constraint users_email_length check (char_length(email) between 3 and 254)
);

-- Emails compare case-insensitively; "C" so that the comparison does not depend on the server's locale.
create unique index users_email_key on users (lower(email collate "C"));

alter table users enable row level security;
alter table users force row level security;

create policy users_select_own on users for select to todo_api using (id = app.user_id());
-- The definer functions look a user up by email and add one; nobody else can.
create policy users_select_auth on users for select to todo_auth using (true);
create policy users_insert_auth on users for insert to todo_auth with check (true);

grant select (id, email, created_at) on users to todo_api;
grant select (id, email, created_at), insert (id, email) on users to todo_auth;

comment on table users is 'One row per person. Whatever belongs to a user refers to it and goes with it.';
comment on column users.id is 'UUIDv7, made by the API.';
comment on column users.email is 'As it was typed; unique whatever its case.';
comment on policy users_select_own on users is 'A user sees their own row and no other.';
comment on policy users_select_auth on users is 'Registration and login find a user by email, inside a definer function only.';
comment on policy users_insert_auth on users is 'Registration adds a user, inside a definer function only.';

-- migrate:down

drop table users;
