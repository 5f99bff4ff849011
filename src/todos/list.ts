import {
  type Fragment,
  fragment,
  type ShardFragment,
  shardKey,
  type Tx,
  unpreparedFragment,
} from '../database/transaction.ts'
import type { SortKey, Todo, TodoQuery } from './schema.ts'

/** Where a page begins: after some rows, or after or before the row of a cursor. */
export type Place =
  | { kind: 'offset'; offset: number }
  | { kind: 'after' | 'before'; key: string | null; id: string }

/**
 * How each sort reads its key from a row, and from the text in a cursor. Ids are made in the order of
 * creation, so created_at needs no index of its own. An index serves each key; see the migrations.
 */
const keys: Record<SortKey, { column: Fragment; parse: (text: string | null) => Fragment }> = {
  created_at: { column: fragment`id`, parse: (text) => fragment`${text}::uuid` },
  updated_at: { column: fragment`updated_at`, parse: (text) => fragment`${text}::timestamptz` },
  due_at: {
    column: fragment`case when due_at is null then 'infinity' else due_at end`,
    parse: (text) => fragment`coalesce(${text}::timestamptz, 'infinity')`,
  },
  priority: { column: fragment`priority`, parse: (text) => fragment`${text}::smallint` },
  position: { column: fragment`position`, parse: (text) => fragment`${text}::integer` },
  title: { column: fragment`title collate "C"`, parse: (text) => fragment`${text}::text collate "C"` },
}
const ascending = { direction: fragment`asc`, beyond: fragment`>` }
const descending = { direction: fragment`desc`, beyond: fragment`<` }

/** What a cursor keeps of a row to go on from it. */
export function readKey(todo: Todo, key: SortKey): string | null {
  const value = key === 'created_at' ? todo.id : todo[key]
  return value === null ? null : String(value)
}

/**
 * Whether a todo has all of the words. On a shard no function may ask a distributed table, so there the user's todos
 * are read: the index that app.search_todos looks into is none that a policy lets be used.
 */
const hasWords =
  (q: string): ShardFragment =>
  (shard) =>
    shard === null
      ? fragment`id = any (array(select app.search_todos(${q})))`
      : fragment`app.search_keys(user_id, title || ' ' || coalesce(notes, '')) @> app.search_keys(user_id, ${q})`

/**
 * The condition of the filters: none for the common list, whose plan is then made once; otherwise one text for every
 * combination, planned each time, so that what is not asked for folds away and the plan suits the user.
 */
function matches(query: TodoQuery): Fragment {
  const { completed = null, priority = null, tag = null, due_before = null, due_after = null, q } = query
  const asked = [completed, priority, tag, due_before, due_after, q ?? null]
  if (asked.every((value) => value === null)) return fragment`true`
  const found = q === undefined ? fragment`` : fragment`and ${hasWords(q)}`
  return unpreparedFragment`
    (${completed}::boolean is null or completed = ${completed})
    and (${priority}::smallint is null or priority = ${priority})
    and (${tag}::text is null or ${tag} = any (tags))
    and (${due_before}::timestamptz is null or due_at < ${due_before})
    and (${due_after}::timestamptz is null or due_at > ${due_after}) ${found}`
}

/**
 * The todos of a page in the order of the sort, and one more than asked for, which tells whether there are more.
 * @param place where to begin: a number of rows to skip, or the row of a cursor; backwards from that on demand
 */
export function listTodos(tx: Tx, query: TodoQuery, place: Place) {
  const { limit, sort } = query
  const { column, parse } = keys[sort.replace('-', '') as SortKey]
  const down = sort.startsWith('-') !== (place.kind === 'before')
  const { direction, beyond } = down ? descending : ascending
  const from =
    place.kind === 'offset'
      ? fragment``
      : fragment`and (${column}, id) ${beyond} (${parse(place.key)}, ${place.id}::uuid)`
  return tx<Todo>`
    select id, title, notes, completed, completed_at, due_at, priority, tags, position, version, created_at, updated_at
    from todos
    where ${shardKey} and ${matches(query)} ${from}
    order by ${column} ${direction}, id ${direction}
    limit ${limit + 1} offset ${place.kind === 'offset' ? place.offset : 0}`
}

export const countTodos = (tx: Tx, query: TodoQuery) => tx<{ total: number }>`
  select count(*)::integer as total from todos where ${shardKey} and ${matches(query)}`
