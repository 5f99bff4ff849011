-- migrate:up

create table identity.credentials (
  user_id uuid not null,
  password_hash text not null,
  constraint credentials_pkey primary key (user_id),
  constraint credentials_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
  constraint credentials_password_hash_bcrypt check (password_hash ~ '^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$')
);

alter table identity.credentials enable row level security;
alter table identity.credentials force row level security;

-- No policy and no grant for todo_api: it reaches passwords only through definer functions.
create policy credentials_select_auth on identity.credentials for select to todo_auth using (true);
create policy credentials_insert_auth on identity.credentials for insert to todo_auth with check (true);
create policy credentials_update_auth on identity.credentials for update to todo_auth using (true) with check (true);

grant select (user_id, password_hash), insert (user_id, password_hash), update (password_hash)
  on identity.credentials to todo_auth;

comment on table identity.credentials is 'A user''s password as a bcrypt hash. The API''s role cannot read it, and no function returns it.';
comment on policy credentials_select_auth on identity.credentials is 'app.login and app.change_account compare a hash.';
comment on policy credentials_insert_auth on identity.credentials is 'app.register stores the first password.';
comment on policy credentials_update_auth on identity.credentials is 'app.login locks the row; app.rehash and app.change_account write it.';

-- migrate:down

drop table identity.credentials;
