import { firstOrNotFound } from '../http/errors.ts'
import type { Todo } from './schema.ts'
import type { ChangeRow, SnapshotRow } from './sync.ts'
import type { Change } from './sync-schema.ts'
import { FIRST, type SyncPlace } from './sync-tokens.ts'

/** What a page contains, and where the next one begins. */
interface Page {
  changes: Change[]
  next: SyncPlace
  has_more: boolean
}

/** A page of all todos. The changes follow from the state that the first page was read in. */
export function toSnapshotPage(
  rows: readonly SnapshotRow[],
  limit: number,
  from: SyncPlace | undefined,
): Page {
  const { epoch, xmin } = firstOrNotFound(rows)
  const todos = rows.filter(({ id }) => id !== null).slice(0, limit) as (SnapshotRow & Todo)[]
  const more = rows.length > limit
  const start = { epoch, time: 0, xid: from?.xid ?? xmin }
  return {
    changes: todos.map(({ epoch: _, horizon: __, xmin: ___, ...todo }) => ({
      op: 'upsert',
      id: todo.id,
      todo,
    })),
    next: more
      ? { ...start, kind: 'snapshot', id: `${todos.at(-1)?.id}`, version: 0 }
      : { ...start, kind: 'changes', ...FIRST },
    // What changed while several pages were read comes next.
    has_more: more || from !== undefined,
  }
}

/** A page of changes. */
export function toChangePage(rows: readonly ChangeRow[], limit: number): Page {
  const { epoch, xmin } = firstOrNotFound(rows)
  const page = rows.filter(({ changed_xid }) => changed_xid !== null).slice(0, limit)
  const last = page.at(-1)
  const more = rows.length > limit
  const changes = new Map<string, Change>()
  for (const row of page) {
    const {
      changed_xid,
      changed_id,
      changed_version,
      is_deleted,
      epoch: _,
      horizon: __,
      xmin: ___,
      ...todo
    } = row
    if (is_deleted) changes.set(changed_id, { op: 'delete', id: changed_id })
    else if (todo.id !== null) changes.set(changed_id, { op: 'upsert', id: changed_id, todo: todo as Todo })
  }
  const place = { kind: 'changes', epoch, time: 0 } as const
  return {
    changes: [...changes.values()],
    next:
      more && last
        ? { ...place, xid: `${last.changed_xid}`, id: last.changed_id, version: last.changed_version }
        : { ...place, xid: xmin, ...FIRST },
    has_more: more,
  }
}
