-- migrate:up

create table identity.credentials (
  user_id uuid not null,
  password_hash text not null,
  constraint credentials_pkey primary key (user_id),
  constraint credentials_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
  constraint credentials_password_hash_bcrypt check (password_hash ~ '^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$')
);

create table identity.sessions (
  user_id uuid not null,
  id uuid not null,
  scopes text[] not null,
  ip inet,
  user_agent text,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  constraint sessions_pkey primary key (user_id, id),
  constraint sessions_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
  constraint sessions_user_agent_length check (char_length(user_agent) <= 512)
);

alter table identity.credentials enable row level security;
alter table identity.credentials force row level security;
alter table identity.sessions enable row level security;
alter table identity.sessions force row level security;

-- No policy and no grant for todo_api: its only way here is through the functions below.
create policy credentials_select_auth on identity.credentials for select to todo_auth using (true);
create policy credentials_insert_auth on identity.credentials for insert to todo_auth with check (true);
create policy sessions_select_auth on identity.sessions for select to todo_auth using (true);
create policy sessions_insert_auth on identity.sessions for insert to todo_auth with check (true);

grant select (user_id, password_hash), insert (user_id, password_hash) on identity.credentials to todo_auth;
grant select (user_id, id, scopes, expires_at), insert (user_id, id, scopes, ip, user_agent, expires_at)
  on identity.sessions to todo_auth;

comment on table identity.credentials is 'The password of a user, as a bcrypt hash. The API''s role cannot read it, nor can any function hand it out.';
comment on table identity.sessions is 'One row per login. An access token is only as alive as its session: no row, no access.';
comment on column identity.sessions.scopes is 'What tokens of this session may do; app.authenticate puts them into app.scopes.';
comment on policy credentials_select_auth on identity.credentials is 'app.login compares a hash; nobody reads one.';
comment on policy credentials_insert_auth on identity.credentials is 'app.register stores the first password.';
comment on policy sessions_select_auth on identity.sessions is 'app.authenticate looks up the one session a token names.';
comment on policy sessions_insert_auth on identity.sessions is 'app.login opens a session.';

create function app.register(new_id uuid, new_email text, new_password_hash text)
  returns table (id uuid, email text, created_at timestamptz)
  language sql volatile security definer set search_path = ''
begin atomic
  with added as (
    insert into public.users (id, email) values (new_id, new_email)
    returning users.id, users.email, users.created_at
  ), secured as (
    insert into identity.credentials (user_id, password_hash) values (new_id, new_password_hash)
  )
  select added.id, added.email, added.created_at from added;
end;
comment on function app.register(uuid, text, text) is 'Adds a user with a password; users_email_key is violated when the email is taken.';

-- The salt and not the hash: the API computes the hash from the password in a worker, and the
-- database compares. So a stolen API role still cannot read password hashes.
create function app.password_salt(login_email text) returns text
  language sql stable security definer set search_path = ''
begin atomic
  select left(c.password_hash, 29)
  from public.users u join identity.credentials c on c.user_id = u.id
  where lower(u.email collate "C") = lower(login_email collate "C");
end;
comment on function app.password_salt(text) is 'Version, cost and salt (29 characters) of the bcrypt hash of this email''s user; null when there is none.';

create function app.login(
    login_email text, login_password_hash text,
    session_id uuid, session_seconds integer, session_scopes text[], session_ip inet, session_user_agent text)
  returns uuid
  language sql volatile security definer set search_path = ''
begin atomic
  insert into identity.sessions (user_id, id, scopes, ip, user_agent, expires_at)
  select u.id, session_id, session_scopes, session_ip, session_user_agent, now() + make_interval(secs => session_seconds)
  from public.users u join identity.credentials c on c.user_id = u.id
  where lower(u.email collate "C") = lower(login_email collate "C") and c.password_hash = login_password_hash
  returning user_id;
end;
comment on function app.login(text, text, uuid, integer, text[], inet, text) is
  'Opens a session when the hash is that of the user''s password, and returns the user; null when email or password is wrong.';

-- plpgsql, because only there can SET LOCAL take a value. SET LOCAL rather than set_config():
-- it ends with the transaction whatever pooler stands between, and it also reaches a Citus worker.
create function app.authenticate(claimed_user uuid, claimed_session uuid) returns text[]
  language plpgsql volatile security definer set search_path = ''
as $$
declare
  granted text[];
begin
  select s.scopes into granted
  from identity.sessions s
  where s.user_id = claimed_user and s.id = claimed_session and s.expires_at > now();

  -- Fail closed: without a live session even a value that something left on the connection is taken away.
  execute format('set local app.user_id = %L', case when granted is null then '' else claimed_user::text end);
  execute format('set local app.scopes = %L', coalesce(array_to_string(granted, ' '), ''));
  return granted;
end
$$;
comment on function app.authenticate(uuid, uuid) is
  'Makes the session''s user the user of this transaction and returns its scopes; null, and nobody, when the session is not alive.';

grant create on schema app to todo_auth;
alter function app.register(uuid, text, text) owner to todo_auth;
alter function app.password_salt(text) owner to todo_auth;
alter function app.login(text, text, uuid, integer, text[], inet, text) owner to todo_auth;
alter function app.authenticate(uuid, uuid) owner to todo_auth;
revoke create on schema app from todo_auth;

grant execute on function app.register(uuid, text, text) to todo_api;
grant execute on function app.password_salt(text) to todo_api;
grant execute on function app.login(text, text, uuid, integer, text[], inet, text) to todo_api;
grant execute on function app.authenticate(uuid, uuid) to todo_api;

-- migrate:down

drop function app.authenticate(uuid, uuid);
drop function app.login(text, text, uuid, integer, text[], inet, text);
drop function app.password_salt(text);
drop function app.register(uuid, text, text);
drop table identity.sessions;
drop table identity.credentials;
