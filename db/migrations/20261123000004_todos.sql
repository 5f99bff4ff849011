-- migrate:up

create table todos (
  user_id uuid not null default app.user_id(),
  id uuid not null,
  title text not null,
  notes text,
  completed boolean not null default false,
  completed_at timestamptz,
  due_at timestamptz,
  priority smallint not null default 0,
  tags text[] not null default '{}',
  position integer not null default 0,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  -- user_id first: this one index serves the policy, newest-first order and paging, and the
  -- table can be sharded by user.
  constraint todos_pkey primary key (user_id, id),
  constraint todos_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
  constraint todos_title_not_blank check (btrim(title) <> ''),
  constraint todos_title_length check (char_length(title) <= 200),
  constraint todos_notes_length check (char_length(notes) <= 10000),
  constraint todos_completed_at_agrees check (completed = (completed_at is not null)),
  constraint todos_priority_range check (priority between 0 and 3),
  constraint todos_tags_count check (cardinality(tags) <= 20)
);

alter table todos enable row level security;
alter table todos force row level security;

create policy todos_select_own on todos for select to todo_api
  using (user_id = app.user_id());
create policy todos_insert_own on todos for insert to todo_api
  with check (user_id = app.user_id() and app.has_scope('todos:write'));
create policy todos_update_own on todos for update to todo_api
  using (user_id = app.user_id() and app.has_scope('todos:write'))
  with check (user_id = app.user_id() and app.has_scope('todos:write'));
create policy todos_delete_own on todos for delete to todo_api
  using (user_id = app.user_id() and app.has_scope('todos:write'));

-- user_id is in no write grant: its default is the only way it is ever set.
-- version and updated_at are in the update grant because a table that is to be sharded has no triggers:
-- the statement that changes a row writes them.
grant select (user_id, id, title, notes, completed, completed_at, due_at, priority, tags, position,
              version, created_at, updated_at),
      insert (id, title, notes, completed, completed_at, due_at, priority, tags, position),
      update (title, notes, completed, completed_at, due_at, priority, tags, position, version, updated_at),
      delete
  on todos to todo_api;

comment on table todos is 'The todos of all users; the policies show each user their own.';
comment on column todos.user_id is 'Whose it is. Set by its default, app.user_id(), and by nothing else.';
comment on column todos.id is 'UUIDv7, made by the API: later todos have greater ids.';
comment on column todos.priority is '0 none, 1 low, 2 medium, 3 high.';
comment on column todos.position is 'The user''s own order.';
comment on column todos.version is 'Grows by one with every change.';
comment on policy todos_select_own on todos is 'A user sees their own todos; another''s do not exist.';
comment on policy todos_insert_own on todos is 'A new todo belongs to its maker, whose credential must carry todos:write.';
comment on policy todos_update_own on todos is 'A user changes their own todos, with todos:write, and cannot give one away.';
comment on policy todos_delete_own on todos is 'A user deletes their own todos, with todos:write.';

-- migrate:down

drop table todos;
