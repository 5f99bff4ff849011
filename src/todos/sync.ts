import { fragment, shardKey, type Tx } from '../database/transaction.ts'
import { type Todo, todoColumns } from './schema.ts'

// A client syncs by reading the log of changes from where it stopped. See db/migrations for how the log is ordered, and
// why a page ends before the oldest transaction that is still running.

/** What a token must be compared with. Transaction numbers are decimal text. */
export interface SyncState {
  epoch: string
  horizon: string
  xmin: string
}
/** The last change that a client has, or where its reading of all todos has stopped. */
export interface Position {
  xid: string
  id: string
  version: number
}

/** A todo of the snapshot; its members are null in the only row of an empty page. */
export type SnapshotRow = SyncState & { [Member in keyof Todo]: Todo[Member] | null }
/** A change, and the todo if this change was its last; all null in the only row of an empty page. */
export type ChangeRow = SnapshotRow & {
  changed_xid: string | null
  changed_id: string
  changed_version: number
  is_deleted: boolean
}

const state = fragment`epoch, horizon::text, xmin::text`

/** All todos by id, one more than the limit when there are more. */
export const listSnapshot = (tx: Tx, after: string, limit: number) => tx<SnapshotRow>`
  with page as (
    select ${todoColumns} from todos
    where ${shardKey} and id > ${after}
    order by id
    limit (select ${limit + 1}::integer)
  )
  select ${state}, page.* from app.sync_state() left join page on true order by page.id`

/**
 * The changes after a position, one more than the limit when there are more. A change that was followed by another has
 * no todo, because that other one is still to come, or was sent before: transactions may commit in another order than
 * that of their numbers.
 */
export const listChanges = (tx: Tx, { xid, id, version }: Position, limit: number) => tx<ChangeRow>`
  with page as materialized (
    select xid, todo_id, version from todo_changes
    where ${shardKey} and (xid, todo_id, version) > (${xid}::xid8, ${id}::uuid, ${version}::integer)
      and xid < pg_snapshot_xmin(pg_current_snapshot())
    order by xid, todo_id, version
    limit (select ${limit + 1}::integer)
  ), present as materialized (
    select ${todoColumns} from todos where ${shardKey} and id = any (array(select todo_id from page))
  )
  select ${state}, page.xid::text as changed_xid, page.todo_id as changed_id, page.version as changed_version,
         page.version < 0 and page.todo_id <> all (array(select id from present)) as is_deleted, present.*
  from app.sync_state()
  left join page on true
  left join present on present.id = page.todo_id and present.version = page.version
  order by page.xid, page.todo_id, page.version`
