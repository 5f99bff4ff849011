-- migrate:up

-- The owner became a member of todo_auth to hand functions to it. But a member that inherits is let through by
-- todo_auth's policies too, and so saw every user's rows. Before PostgreSQL 16 a membership cannot say that it
-- gives nothing: there the owner leaves, and a later migration that hands a function over joins for as long as it runs.
do $$
begin
  if current_setting('server_version_num')::integer >= 160000 then
    execute format('grant todo_auth to %I with inherit false', current_user);
  else
    execute format('revoke todo_auth from %I', current_user);
  end if;
  if pg_catalog.pg_has_role(current_user, 'todo_auth', 'USAGE') then
    raise warning 'The owner inherits what todo_auth may see: let a superuser revoke todo_auth from it, and grant it WITH INHERIT FALSE.';
  end if;
exception when insufficient_privilege then
  raise warning 'The owner may not change how it inherits from todo_auth, and sees what todo_auth may see.';
end
$$;

-- migrate:down

-- The ways back of the migrations before drop what belongs to todo_auth.
do $$
begin
  if current_setting('server_version_num')::integer >= 160000 then
    execute format('grant todo_auth to %I with inherit true', current_user);
  else
    execute format('grant todo_auth to %I', current_user);
  end if;
exception when insufficient_privilege then
  null;
end
$$;
