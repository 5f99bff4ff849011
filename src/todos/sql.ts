import type { Tx } from '../database.ts'
import type { PageQuery } from '../schema.ts'
import type { NewTodo, Todo, TodoPatch } from './schema.ts'

// No statement here says whose todos it means: the policies do.

/** One more than asked for, which tells whether there are more. Newest first is the order of the ids. */
export const listTodos = (tx: Tx, { limit, offset }: PageQuery) => tx<Todo>`
  select id, title, notes, completed, completed_at, due_at, priority, tags, position, version, created_at, updated_at
  from todos
  order by id desc
  limit ${limit + 1} offset ${offset}`

export const getTodo = (tx: Tx, id: string) => tx<Todo>`
  select id, title, notes, completed, completed_at, due_at, priority, tags, position, version, created_at, updated_at
  from todos
  where id = ${id}`

export const createTodo = (tx: Tx, id: string, todo: NewTodo) => tx<Todo>`
  insert into todos (id, title, notes, completed, completed_at, due_at, priority, tags, position)
  select ${id}, title, notes, completed, case when completed then now() end, due_at, priority, tags, position
  from jsonb_to_record(${{ completed: false, priority: 0, tags: [], position: 0, ...todo }}::jsonb) as new (
    title text, notes text, completed boolean, due_at timestamptz, priority smallint, tags text[], position integer)
  returning id, title, notes, completed, completed_at, due_at, priority, tags, position, version, created_at, updated_at`

/** Lays the patch over the row in the database (RFC 7396): one statement, and the same
 * one for every set of members. An empty patch is no change. */
export const updateTodo = (tx: Tx, id: string, patch: TodoPatch) => tx<Todo>`
  update todos
  set (title, notes, completed, completed_at, due_at, priority, tags, position, version, updated_at) = (
    select new.title, new.notes, new.completed,
           case when new.completed then coalesce(todos.completed_at, now()) end,
           new.due_at, new.priority, new.tags, new.position,
           todos.version + (patch <> '{}')::integer,
           case when patch = '{}' then todos.updated_at else now() end
    from (select ${patch}::jsonb as patch) as sent, jsonb_populate_record(todos, patch) as new)
  where id = ${id}
  returning id, title, notes, completed, completed_at, due_at, priority, tags, position, version, created_at, updated_at`

export const deleteTodo = (tx: Tx, id: string) => tx<{ id: string }>`
  delete from todos
  where id = ${id}
  returning id`
