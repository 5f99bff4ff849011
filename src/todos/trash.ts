import { fragment, furtherStep, shardKey, type Tx } from '../database/transaction.ts'
import type { Precondition } from '../http/conditional.ts'
import { logWrites } from './change-log.ts'
import { movedColumns, type Todo, todoColumns } from './schema.ts'
import { isMet } from './sql.ts'
import type { TrashedTodo } from './trash-schema.ts'

const trashedColumns = fragment`${todoColumns}, deleted_at, expires_at`

/** Where a page of the trash begins: after this todo. */
export interface TrashPlace {
  deleted_at: string
  id: string
}

/** Newest first, and one more than the limit when there are more. */
export const listTrash = (tx: Tx, limit: number, place: TrashPlace | undefined) => tx<TrashedTodo>`
  select ${trashedColumns} from trashed_todos
  where ${shardKey} ${place ? fragment`and (deleted_at, id) < (${place.deleted_at}::timestamptz, ${place.id}::uuid)` : fragment``}
  order by deleted_at desc, id desc
  limit (select ${limit + 1}::integer)`

/** Whether it is in the trash, after a write that found none of the version it was sent for. */
export const findTrashed = (tx: Tx, id: string) => tx<{ id: string }>`
  select id from trashed_todos where ${shardKey} and id = ${id}`

/** Puts a todo back with its id, its history and the next version. */
export const restoreTodo = (tx: Tx, id: string, precondition: Precondition) => tx<Todo>`
  with removed as (
    delete from trashed_todos
    where ${shardKey} and id = ${id} and ${isMet(precondition)}
    returning ${movedColumns}, version
  ), written as (
    insert into todos (${movedColumns}, version) select ${movedColumns}, version + 1 from removed
    returning ${todoColumns}
  )${logWrites}${furtherStep}
  select * from written`

/** Removes a todo for good. */
export const purgeTodo = (tx: Tx, id: string, precondition: Precondition) => tx<{ id: string }>`
  delete from trashed_todos where ${shardKey} and id = ${id} and ${isMet(precondition)} returning id`

/** Removes everything in the trash for good. */
export const emptyTrash = (tx: Tx) => tx<{ deleted: number }>`
  with purged as (delete from trashed_todos where ${shardKey} returning id)
  select count(*)::integer as deleted from purged`

/** For the export: by id, from the one after `after`. */
export const exportTrash = (tx: Tx, after: string, limit: number) => tx<TrashedTodo>`
  select ${trashedColumns} from trashed_todos where ${shardKey} and id > ${after} order by id limit ${limit}`
