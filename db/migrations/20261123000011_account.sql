-- migrate:up

create function app.login_age() returns interval
  language sql stable
  return (select now() - created_at from identity.sessions where id = app.credential_id());
comment on function app.login_age() is 'How long ago the session of this transaction logged in; null for a personal access token.';
grant execute on function app.login_age() to todo_api;

create policy users_delete_own on users for delete to todo_api
  using (id = app.user_id() and app.has_scope('account') and app.login_age() < interval '10 minutes');
create policy users_update_auth on users for update to todo_auth
  using (id = app.user_id()) with check (id = app.user_id());
grant delete on users to todo_api;
grant update (email) on users to todo_auth;
comment on policy users_delete_own on users is 'A user deletes their own account, and all that refers to it, within ten minutes of a login.';
comment on policy users_update_auth on users is 'app.change_account writes the email of the user of the transaction.';

create function app.change_account(
    current_password_hash text, new_email text, new_password_hash text,
    event_ids uuid[], client_ip inet, client_user_agent text)
  returns table (id uuid, email text, created_at timestamptz)
  language plpgsql volatile security definer set search_path = ''
as $$
begin
  -- Locked, so that no login with the old password opens a session that outlives it.
  perform from identity.credentials c
  where c.user_id = app.user_id() and c.password_hash = current_password_hash and app.has_scope('account')
  for update;
  if not found then return; end if;

  if new_email is not null then
    update public.users u set email = new_email where u.id = app.user_id();
    insert into identity.events (user_id, id, kind, ip, user_agent)
    values (app.user_id(), event_ids[1], 'email_changed', client_ip, client_user_agent);
  end if;
  if new_password_hash is not null then
    update identity.credentials c set password_hash = new_password_hash where c.user_id = app.user_id();
    delete from identity.sessions s where s.user_id = app.user_id() and s.id is distinct from app.credential_id();
    insert into identity.events (user_id, id, kind, ip, user_agent)
    values (app.user_id(), event_ids[2], 'password_changed', client_ip, client_user_agent);
  end if;
  return query select u.id, u.email, u.created_at from public.users u where u.id = app.user_id();
end
$$;
comment on function app.change_account(text, text, text, uuid[], inet, text) is
  'Changes email, password or both of the user of this transaction, who must know the current password: no row when the hash is another. A new password ends every other session.';

grant create on schema app to todo_auth;
alter function app.change_account(text, text, text, uuid[], inet, text) owner to todo_auth;
revoke create on schema app from todo_auth;
grant execute on function app.change_account(text, text, text, uuid[], inet, text) to todo_api;

-- migrate:down

drop function app.change_account(text, text, text, uuid[], inet, text);
revoke update (email) on users from todo_auth;
revoke delete on users from todo_api;
drop policy users_update_auth on users;
drop policy users_delete_own on users;
drop function app.login_age();
