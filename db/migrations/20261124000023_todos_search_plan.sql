-- migrate:up

-- A session keeps the plan of the function. Made for a user with few todos, it read these and looked for the words
-- in each; and so it did for the next user, with a million. Now there is one way only: the index, then the user.
do $$
begin
  -- From 16 on the owner is a member all the time, without inheriting.
  if current_setting('server_version_num')::integer < 160000 then
    execute format('grant todo_auth to %I', current_user);
  end if;
end
$$;
grant create on schema app to todo_auth;
set local role todo_auth;
create or replace function app.search_todos(words text) returns setof uuid
  language sql stable security definer set search_path = ''
begin atomic
  with found as materialized (
    select user_id, id from public.todos
    where app.search_keys(user_id, title || ' ' || coalesce(notes, '')) operator(pg_catalog.@>) app.search_keys(app.user_id(), words)
  )
  select id from found where user_id = app.user_id();
end;
reset role;
revoke create on schema app from todo_auth;
do $$
begin
  if current_setting('server_version_num')::integer < 160000 then
    execute format('revoke todo_auth from %I', current_user);
  end if;
end
$$;

-- migrate:down

do $$
begin
  if current_setting('server_version_num')::integer < 160000 then
    execute format('grant todo_auth to %I', current_user);
  end if;
end
$$;
grant create on schema app to todo_auth;
set local role todo_auth;
create or replace function app.search_todos(words text) returns setof uuid
  language sql stable security definer set search_path = ''
begin atomic
  select id from public.todos
  where user_id = app.user_id()
    and app.search_keys(user_id, title || ' ' || coalesce(notes, '')) operator(pg_catalog.@>) app.search_keys(app.user_id(), words);
end;
reset role;
revoke create on schema app from todo_auth;
do $$
begin
  if current_setting('server_version_num')::integer < 160000 then
    execute format('revoke todo_auth from %I', current_user);
  end if;
end
$$;
