import {
  type Fragment,
  fragment,
  furtherStep,
  type ShardFragment,
  shardKey,
  type Tx,
  unlessSharded,
  unpreparedFragment,
} from '../database/transaction.ts'
import type { Precondition } from '../http/conditional.ts'
import { logDeletions, logWrites } from './change-log.ts'
import { foldText } from './folded-text.ts'
import { movedColumns, type NewTodo, type Todo, type TodoPatch, todoColumns } from './schema.ts'

// No statement here selects a user: the policies do. `shardKey` only routes a statement to its shard.

export const getTodo = (tx: Tx, id: string) => tx<Todo>`
  select ${todoColumns} from todos where ${shardKey} and id = ${id}`

export const createTodo = (
  tx: Tx,
  id: string,
  { title, notes = null, completed = false, due_at, priority = 0, tags = [], position = 0 }: NewTodo,
) => tx<Todo>`
  ${withSteps(fragment`
    insert into todos (id, title, folded_title, notes, folded_notes, completed, completed_at, due_at, priority, tags, position)
    values (${id}, ${title}, ${foldText(title)}, ${notes}, ${foldNotes(notes)}, ${completed}, case when ${completed} then now() end,
            ${due_at ?? null}, ${priority}, ${tags}, ${position})
    returning ${todoColumns}`)}`

/** Records a write in the same statement. On a sharded database it stays alone: Citus runs no INSERT within WITH. */
const withSteps =
  (write: Fragment): ShardFragment =>
  (shard) =>
    shard === null
      ? fragment`with written as (${write})${logWrites}${furtherStep} select * from written`
      : write

/**
 * Violates todos_quota when the user cannot have so many todos more; otherwise returns how many are left after them. It
 * counts the user's todos: see quota.ts.
 */
export const checkTodoQuota = (tx: Tx, added: number, allowed: number) => tx<{ remaining: string }>`
  select app.check_quota('todos_quota', count(*) + ${added}, ${allowed}) as remaining
  from (select from todos where ${shardKey} limit ${allowed}) as counted`

const foldNotes = (notes: string | null) => (notes === null ? null : foldText(notes))

/** Whether the todo exists, after a write that found none of the version it was sent for. */
export const findTodo = (tx: Tx, id: string) => tx<{ id: string }>`
  select id from todos where ${shardKey} and id = ${id}`

export const isMet = ({ allowed, refused }: Precondition) => fragment`
  version = any (coalesce(${allowed}::integer[], array[version]))
  and version <> all (coalesce(${refused}::integer[], array[version]))`

/** How each member of a patch is written. */
const assignments: {
  [Member in keyof TodoPatch]-?: (value: Exclude<TodoPatch[Member], undefined>) => Fragment
} = {
  title: (title) => fragment`title = ${title}, folded_title = ${foldText(title)}`,
  notes: (notes) => fragment`notes = ${notes}, folded_notes = ${foldNotes(notes)}`,
  // LEAST ignores null: the time of the first completion stays. Citus accepts now() here, but not within CASE.
  completed: (completed) =>
    completed
      ? fragment`completed = true, completed_at = least(completed_at, now())`
      : fragment`completed = false, completed_at = null`,
  due_at: (due_at) => fragment`due_at = ${due_at}`,
  priority: (priority) => fragment`priority = ${priority}`,
  tags: (tags) => fragment`tags = ${tags}`,
  position: (position) => fragment`position = ${position}`,
}

/**
 * Applies a merge patch (RFC 7396): writes the sent columns only, so that long notes are not written again. An empty
 * patch changes nothing.
 */
export function updateTodo(tx: Tx, id: string, patch: TodoPatch, precondition: Precondition) {
  const [first, ...others] = Object.entries(assignments)
    .filter(([member]) => Object.hasOwn(patch, member))
    .map(([member, assign]) => assign(patch[member as keyof TodoPatch] as never))
  if (!first)
    return tx<Todo>`
      with written as (
        select ${todoColumns} from todos where ${shardKey} and id = ${id} and ${isMet(precondition)}
      )${furtherStep}
      select * from written`
  // One member is the common case. Of the many combinations no connection keeps a plan.
  const changes = others.reduce((all, next) => unpreparedFragment`${all}, ${next}`, first)
  return tx<Todo>`
    ${withSteps(fragment`
      update todos set ${changes}, version = version + 1, updated_at = now()
      where ${shardKey} and id = ${id} and ${isMet(precondition)}
      returning ${todoColumns}`)}`
}

/** Moves what a statement has deleted, `written`, to the trash. */
const moveToTrash = (days: number): ShardFragment =>
  unlessSharded(fragment`, trashed as (
    insert into trashed_todos (${movedColumns}, version, updated_at, expires_at)
    select ${movedColumns}, version, updated_at, now() + make_interval(days => ${days}) from written
  )`)

/** @param trashDays how long it stays in the trash */
export function deleteTodo(tx: Tx, id: string, precondition: Precondition, trashDays: number) {
  const remove = fragment`
    delete from todos where ${shardKey} and id = ${id} and ${isMet(precondition)}`
  const withTrash = fragment`
    with written as (
      ${remove} returning ${movedColumns}, version, updated_at
    )${moveToTrash(trashDays)}${logDeletions}
    select id from written`
  const write: ShardFragment = (shard) => (shard === null ? withTrash : fragment`${remove} returning id`)
  return tx<{ id: string }>`${write}`
}

/**
 * Locks todos before a batch writes them. Every write of several todos locks them by id, whatever the order in which
 * it was asked to write them, so that two of them never wait for each other.
 */
export const lockTodos = (tx: Tx, ids: readonly string[]) => tx`
  select from todos where ${shardKey} and id = any (${ids}) order by id for update`

/**
 * Deletes all todos, or only the completed ones. The array keeps the policies' functions out of a join, where they
 * would be called for each row.
 */
export const deleteTodos = (tx: Tx, which: 'all' | 'completed', trashDays: number) => tx<{ deleted: number }>`
  with locked as materialized (
    select id from todos
    where ${shardKey} and (completed or ${which === 'all'})
    order by id
    for update
  ), written as (
    delete from todos
    where ${shardKey} and id = any (array(select id from locked))
    returning ${movedColumns}, version, updated_at
  )${moveToTrash(trashDays)}${logDeletions}
  select count(*)::integer as deleted from written`

/** For the export: by id, from the one after `after`. */
export const exportTodos = (tx: Tx, after: string, limit: number) => tx<Todo>`
  select ${todoColumns} from todos where ${shardKey} and id > ${after} order by id limit ${limit}`
