-- migrate:up

-- A deleted todo moves here in the statement that deletes it. A table of its own, so that no query on todos can forget to
-- leave the deleted ones out.
create table trashed_todos (
  user_id uuid not null default app.user_id(),
  id uuid not null,
  title text not null,
  notes text,
  folded_title text not null,
  folded_notes text,
  completed boolean not null,
  completed_at timestamptz,
  due_at timestamptz,
  priority smallint not null,
  tags text[] not null,
  position integer not null,
  version integer not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  deleted_at timestamptz not null default now(),
  expires_at timestamptz not null default now() + interval '30 days',
  constraint trashed_todos_pkey primary key (user_id, id),
  constraint trashed_todos_user_id_fkey foreign key (user_id) references users (id) on delete cascade
);

-- For the removal of expired rows.
create index trashed_todos_expires_at_idx on trashed_todos (expires_at);

alter table trashed_todos enable row level security;
alter table trashed_todos force row level security;

create policy trashed_todos_select_own on trashed_todos for select to todo_api
  using (user_id = app.user_id());
create policy trashed_todos_insert_own on trashed_todos for insert to todo_api
  with check (user_id = app.user_id('todos:write'));
create policy trashed_todos_delete_own on trashed_todos for delete to todo_api
  using (user_id = app.user_id('todos:write'));
create policy trashed_todos_select_auth on trashed_todos for select to todo_auth using (expires_at < now());
create policy trashed_todos_delete_auth on trashed_todos for delete to todo_auth using (expires_at < now());

grant select (user_id, id, title, notes, folded_title, folded_notes, completed, completed_at, due_at, priority, tags,
              position, version, created_at, updated_at, deleted_at, expires_at),
      insert (id, title, notes, folded_title, folded_notes, completed, completed_at, due_at, priority, tags, position,
              version, created_at, updated_at, expires_at),
      delete
  on trashed_todos to todo_api;
grant select (user_id, id, expires_at), delete on trashed_todos to todo_auth;

-- A restored todo keeps its history. This lets injected SQL make up the version and the time of creation of the user's own new
-- todos, and of nobody else's.
grant insert (version, created_at) on todos to todo_api;

comment on table trashed_todos is 'Deleted todos, until their user restores them or they expire. Never read together with todos.';
comment on column trashed_todos.version is 'When it was deleted; a restored todo continues from it.';
comment on column trashed_todos.expires_at is 'Written by the API, TRASH_DAYS after the deletion.';
comment on policy trashed_todos_select_own on trashed_todos is 'Users see their own trash only.';
comment on policy trashed_todos_insert_own on trashed_todos is 'With todos:write, users delete todos, which moves them here.';
comment on policy trashed_todos_delete_own on trashed_todos is 'With todos:write, users restore todos or remove them for good.';
comment on policy trashed_todos_select_auth on trashed_todos is 'The removal finds expired rows; no function reads others.';
comment on policy trashed_todos_delete_auth on trashed_todos is 'app.remove_trash removes expired rows.';

-- PostgreSQL 15 has no membership without inheritance: see the migration of the roles.
do $$
begin
  if current_setting('server_version_num')::integer < 160000 then
    execute format('grant todo_auth to %I', current_user);
  end if;
end
$$;
grant create on schema app to todo_auth;
set local role todo_auth;

create function app.remove_trash(batch integer) returns integer
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  removed integer;
  rows constant integer := least(batch, 1000);
begin
  delete from public.trashed_todos where (user_id, id) in
    (select user_id, id from public.trashed_todos where expires_at < now() order by expires_at limit rows);
  get diagnostics removed = row_count;
  return removed;
end
$$;
comment on function app.remove_trash(integer) is
  'Removes expired todos from the trash, at most that many and never more than 1,000, and returns how many were removed.';
grant execute on function app.remove_trash(integer) to todo_api;

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
set local role todo_auth;
drop function app.remove_trash(integer);
reset role;
do $$
begin
  if current_setting('server_version_num')::integer < 160000 then
    execute format('revoke todo_auth from %I', current_user);
  end if;
end
$$;
revoke insert (version, created_at) on todos from todo_api;
drop table trashed_todos;
