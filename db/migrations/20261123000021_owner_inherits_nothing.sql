-- migrate:up

-- The owner must be able to become todo_auth, to hand functions to it. But a member that inherits is let
-- through by todo_auth's policies too, and so saw every user's rows.
do $$
begin
  if current_setting('server_version_num')::integer >= 160000 then
    execute format('grant todo_auth to %I with inherit false', current_user);
  else
    execute format('alter role %I noinherit', current_user);
  end if;
  if pg_catalog.pg_has_role(current_user, 'todo_auth', 'USAGE') then
    raise warning 'The owner inherits what todo_auth may see: let a superuser revoke todo_auth from it, and grant it WITH INHERIT FALSE.';
  end if;
exception when insufficient_privilege then
  raise warning 'The owner may not change how it inherits from todo_auth, and sees what todo_auth may see.';
end
$$;

-- migrate:down

do $$
begin
  if current_setting('server_version_num')::integer >= 160000 then
    execute format('grant todo_auth to %I with inherit true', current_user);
  else
    execute format('alter role %I inherit', current_user);
  end if;
exception when insufficient_privilege then
  null;
end
$$;
