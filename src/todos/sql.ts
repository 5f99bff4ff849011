import { fragment, mine, type Tx } from '../database/transaction.ts'
import type { Precondition } from '../http/conditional.ts'
import type { NewTodo, Todo, TodoPatch } from './schema.ts'

// No statement here says whose todos it means: the policies do. `mine` says no more than where they are.

export const getTodo = (tx: Tx, id: string) => tx<Todo>`
  select id, title, notes, completed, completed_at, due_at, priority, tags, position, version, created_at, updated_at
  from todos
  where ${mine} and id = ${id}`

export const createTodo = (
  tx: Tx,
  id: string,
  { title, notes, completed = false, due_at, priority = 0, tags = [], position = 0 }: NewTodo,
) => tx<Todo>`
  insert into todos (id, title, notes, completed, completed_at, due_at, priority, tags, position)
  values (${id}, ${title}, ${notes ?? null}, ${completed}, case when ${completed} then now() end, ${due_at ?? null},
          ${priority}, ${tags}, ${position})
  returning id, title, notes, completed, completed_at, due_at, priority, tags, position, version, created_at, updated_at`

/** Whether there is such a todo, for a write that found none of the version it was meant for. */
export const findTodo = (tx: Tx, id: string) => tx<{ id: string }>`
  select id from todos where ${mine} and id = ${id}`

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
  where ${mine} and id = ${id} and ${isMet(precondition)}
  returning id, title, notes, completed, completed_at, due_at, priority, tags, position, version, created_at, updated_at`

export const deleteTodo = (tx: Tx, id: string, precondition: Precondition) => tx<{ id: string }>`
  delete from todos
  where ${mine} and id = ${id} and ${isMet(precondition)}
  returning id`

/**
 * Locks todos before a batch writes them. Every write of several todos locks them by id, whatever the order in which
 * it was asked to write them, so that two of them never wait for each other.
 */
export const lockTodos = (tx: Tx, ids: readonly string[]) => tx`
  select from todos where ${mine} and id = any (${ids}) order by id for update`

/** Deletes all todos, or those that are completed, or those that are not. */
export const deleteTodos = (tx: Tx, completed: boolean | null) => tx<{ deleted: number }>`
  with locked as materialized (
    select id from todos
    where ${mine} and completed = coalesce(${completed}, completed)
    order by id
    for update
  ), gone as (
    delete from todos
    where ${mine} and id in (select id from locked)
    returning id
  )
  select count(*)::integer as deleted from gone`

/** For the export: by id, from the one after `after`. */
export const exportTodos = (tx: Tx, after: string, limit: number) => tx<Todo>`
  select id, title, notes, completed, completed_at, due_at, priority, tags, position, version, created_at, updated_at
  from todos
  where ${mine} and id > ${after}
  order by id
  limit ${limit}`
