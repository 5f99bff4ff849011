-- migrate:up

-- A role that may create temporary objects can give one the name of a type or table that a function uses. With an
-- empty search_path PostgreSQL looks in pg_temp first, so such an object would run with the rights of todo_auth.
do $$
declare
  definer regprocedure;
begin
  execute format('revoke temporary on database %I from public', current_database());
  -- From 16 on the owner is a member all the time, without inheriting.
  if current_setting('server_version_num')::integer < 160000 then
    execute format('grant todo_auth to %I', current_user);
  end if;
  set local role todo_auth;
  for definer in select oid::regprocedure from pg_catalog.pg_proc where prosecdef and pronamespace = 'app'::regnamespace loop
    execute format('alter function %s set search_path = pg_catalog, pg_temp', definer);
  end loop;
  reset role;
  if current_setting('server_version_num')::integer < 160000 then
    execute format('revoke todo_auth from %I', current_user);
  end if;
end
$$;
revoke create on schema public from public;

-- migrate:down

do $$
declare
  definer regprocedure;
begin
  execute format('grant temporary on database %I to public', current_database());
  if current_setting('server_version_num')::integer < 160000 then
    execute format('grant todo_auth to %I', current_user);
  end if;
  set local role todo_auth;
  for definer in select oid::regprocedure from pg_catalog.pg_proc where prosecdef and pronamespace = 'app'::regnamespace loop
    execute format('alter function %s set search_path = ''''', definer);
  end loop;
  reset role;
  if current_setting('server_version_num')::integer < 160000 then
    execute format('revoke todo_auth from %I', current_user);
  end if;
end
$$;
