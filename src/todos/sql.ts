import type { Precondition } from '../entity-tags.ts'
import { fragment, type Tx } from '../tx.ts'
import type { NewTodo, Todo, TodoPatch } from './schema.ts'

// No statement here says whose todos it means: the policies do.

export const getTodo = (tx: Tx, id: string) => tx<Todo>`
  select id, title, notes, completed, completed_at, due_at, priority, tags, position, version, created_at, updated_at
  from todos
  where id = ${id}`

export const createTodo = (tx: Tx, id: string, todo: NewTodo) => tx<Todo>`
  insert into todos (id, title, notes, completed, completed_at, due_at, priority, tags, position)
  select ${id}, title, notes, completed, case when completed then now() end, due_at, priority, tags, position
  from jsonb_to_record(${JSON.stringify({ completed: false, priority: 0, tags: [], position: 0, ...todo })}::jsonb) as new (
    title text, notes text, completed boolean, due_at timestamptz, priority smallint, tags text[], position integer)
  returning id, title, notes, completed, completed_at, due_at, priority, tags, position, version, created_at, updated_at`

/** Whether there is such a todo, for a write that found none of the version it was meant for. */
export const findTodo = (tx: Tx, id: string) => tx<{ id: string }>`select id from todos where id = ${id}`

const isMet = ({ allowed, refused }: Precondition) => fragment`
  version = any (coalesce(${allowed}::integer[], array[version]))
  and version <> all (coalesce(${refused}::integer[], array[version]))`

/** Lays the patch over the row in the database (RFC 7396): one statement, and the same
 * one for every set of members. An empty patch is no change. */
export const updateTodo = (tx: Tx, id: string, patch: TodoPatch, precondition: Precondition) => tx<Todo>`
  update todos
  set (title, notes, completed, completed_at, due_at, priority, tags, position, version, updated_at) = (
    select new.title, new.notes, new.completed,
           case when new.completed then coalesce(todos.completed_at, now()) end,
           new.due_at, new.priority, new.tags, new.position,
           todos.version + (patch <> '{}')::integer,
           case when patch = '{}' then todos.updated_at else now() end
    from (select ${JSON.stringify(patch)}::jsonb as patch) as sent, jsonb_populate_record(todos, patch) as new)
  where id = ${id} and ${isMet(precondition)}
  returning id, title, notes, completed, completed_at, due_at, priority, tags, position, version, created_at, updated_at`

export const deleteTodo = (tx: Tx, id: string, precondition: Precondition) => tx<{ id: string }>`
  delete from todos
  where id = ${id} and ${isMet(precondition)}
  returning id`

/** Deletes all todos, or those that are completed, or those that are not. */
export const deleteTodos = (tx: Tx, completed: boolean | null) => tx<{ deleted: number }>`
  with gone as (
    delete from todos
    where completed = coalesce(${completed}, completed)
    returning id
  )
  select count(*)::integer as deleted from gone`
