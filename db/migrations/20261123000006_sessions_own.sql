-- migrate:up

-- What a user may see and do of their own sessions: list them, and end them.
alter table identity.sessions add column last_used_at timestamptz not null default now();

create function app.credential_id() returns uuid
  language sql stable parallel safe
  return nullif(current_setting('app.credential_id', true), '')::uuid;
comment on function app.credential_id() is 'The session, or the personal access token, that this transaction was authenticated with.';
grant execute on function app.credential_id() to todo_api, todo_auth;
grant execute on function app.user_id() to todo_auth;
grant execute on function app.has_scope(text) to todo_auth;

-- Without the scope account a credential sees, and ends, itself alone: that is what logging out needs.
create policy sessions_select_own on identity.sessions for select to todo_api
  using (user_id = app.user_id() and (id = app.credential_id() or app.has_scope('account')));
create policy sessions_delete_own on identity.sessions for delete to todo_api
  using (user_id = app.user_id() and (id = app.credential_id() or app.has_scope('account')));
-- Used by the definer functions: use is noted, a refresh prolongs, a stolen refresh token or a new password ends.
create policy sessions_update_auth on identity.sessions for update to todo_auth using (true) with check (true);
create policy sessions_delete_auth on identity.sessions for delete to todo_auth using (true);

grant usage on schema identity to todo_api;
grant select (id, ip, user_agent, created_at, last_used_at, expires_at), delete on identity.sessions to todo_api;
grant select (last_used_at), update (last_used_at, expires_at), delete on identity.sessions to todo_auth;

comment on schema identity is 'Passwords, sessions and tokens. The API''s role sees no hash of any of them.';
comment on column identity.sessions.created_at is 'The login.';
comment on column identity.sessions.last_used_at is 'To the minute.';
comment on column identity.sessions.expires_at is 'A refresh puts it off.';
comment on policy sessions_select_own on identity.sessions is 'A user sees their own sessions with the scope account, and without it the one they use.';
comment on policy sessions_delete_own on identity.sessions is 'A user ends the sessions that they see.';
comment on policy sessions_update_auth on identity.sessions is 'app.refresh and app.note_use, and nothing else.';
comment on policy sessions_delete_auth on identity.sessions is 'app.refresh on reuse, app.change_account, and the removal of what has expired.';

-- migrate:down

drop policy sessions_delete_auth on identity.sessions;
drop policy sessions_update_auth on identity.sessions;
drop policy sessions_delete_own on identity.sessions;
drop policy sessions_select_own on identity.sessions;
revoke select (id, ip, user_agent, created_at, expires_at), delete on identity.sessions from todo_api;
revoke update (expires_at), delete on identity.sessions from todo_auth;
revoke usage on schema identity from todo_api;
revoke execute on function app.has_scope(text) from todo_auth;
revoke execute on function app.user_id() from todo_auth;
drop function app.credential_id();
alter table identity.sessions drop column last_used_at;
comment on schema identity is 'Passwords and sessions. The API''s role reads none of it except through the functions of schema app.';
comment on column identity.sessions.created_at is null;
comment on column identity.sessions.expires_at is null;
