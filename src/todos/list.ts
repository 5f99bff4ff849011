import { type Fragment, fragment, shardKey, type Tx, unpreparedFragment } from '../database/transaction.ts'
import { toPatterns } from './folded-text.ts'
import { MAX_TITLE_KEY, type SortKey, type TagCount, type TagQuery, type TodoQuery } from './list-schema.ts'
import { type Todo, todoColumns } from './schema.ts'

/** Where a page begins: after some rows, or after or before the row of a cursor. */
export type Place = { kind: 'offset'; offset: number } | { kind: 'after' | 'before'; key: string; id: string }

/** A todo and the text of what it is sorted by, from which a cursor goes on. */
export type ListedTodo = Todo & { sort_key: string }

/**
 * What each sort reads from a row, and its type in the text of a cursor. Ids grow with the time of creation, and are
 * the only sort that has an index; of the others the user's todos are read and sorted.
 */
const keys: Record<SortKey, { column: Fragment; type: Fragment }> = {
  created_at: { column: fragment`id`, type: fragment`uuid` },
  updated_at: { column: fragment`updated_at`, type: fragment`timestamptz` },
  due_at: { column: fragment`coalesce(due_at, 'infinity')`, type: fragment`timestamptz` },
  priority: { column: fragment`priority`, type: fragment`smallint` },
  position: { column: fragment`position`, type: fragment`integer` },
  title: {
    column: fragment`left(folded_title, ${MAX_TITLE_KEY}) collate "C"`,
    type: fragment`text collate "C"`,
  },
}
const ascending = { direction: fragment`asc`, beyond: fragment`>` }
const descending = { direction: fragment`desc`, beyond: fragment`<` }

const hasWords = (q: string): Fragment =>
  toPatterns(q).reduce(
    (all, pattern) => fragment`${all} and (folded_title like ${pattern} or folded_notes like ${pattern})`,
    fragment``,
  )

/**
 * The condition of the filters: none for the common list, whose plan is then made once; otherwise one text for every
 * combination, planned each time, so that what is not asked for folds away and the plan suits the user.
 */
function matches({ completed, priority, tag, q, due, due_from, due_before }: TodoQuery): Fragment {
  const asked = [completed, priority, tag, q, due, due_from, due_before]
  if (asked.every((value) => value === undefined)) return fragment`true`
  return unpreparedFragment`
    (${completed ?? null}::boolean is null or completed = ${completed ?? null})
    and (${priority ?? null}::smallint is null or priority = ${priority ?? null})
    and (${tag ?? null}::text[] is null or tags @> ${tag ?? null})
    and (${due ?? null}::text is null or due_at is null)
    and (${due_from ?? null}::timestamptz is null or due_at >= ${due_from ?? null})
    and (${due_before ?? null}::timestamptz is null or due_at < ${due_before ?? null})
    ${q === undefined ? fragment`` : hasWords(q)}`
}

/**
 * Sub-selects, because with a number the planner expects each plan for the actual number to be cheaper than the prepared
 * one, and plans the list anew for every request: that took as long as reading it.
 */
const limitRows = (limit: number, offset: number): Fragment =>
  fragment`limit (select ${limit}::integer) offset (select ${offset}::integer)`

/**
 * The todos of a page in the order of the sort, and one more than the limit when there are more.
 * @param place where to begin: a number of rows to skip, or the row of a cursor, backwards from it for `before`
 */
export function listTodos(tx: Tx, query: TodoQuery, place: Place) {
  const { limit, sort } = query
  const { column, type } = keys[sort.replace('-', '') as SortKey]
  const down = sort.startsWith('-') !== (place.kind === 'before')
  const { direction, beyond } = down ? descending : ascending
  const from =
    place.kind === 'offset'
      ? fragment``
      : fragment`and (${column}, id) ${beyond} (${place.key}::${type}, ${place.id}::uuid)`
  return tx<ListedTodo>`
    select ${todoColumns}, (${column})::text as sort_key
    from todos
    where ${shardKey} and ${matches(query)} ${from}
    order by ${column} ${direction}, id ${direction}
    ${limitRows(limit + 1, place.kind === 'offset' ? place.offset : 0)}`
}

export const countTodos = (tx: Tx, query: TodoQuery) => tx<{ total: number }>`
  select count(*)::integer as total from todos where ${shardKey} and ${matches(query)}`

/** The user's tags, sorted by their code points, and one more than the limit when there are more. */
export const listTags = (tx: Tx, { limit, offset }: TagQuery) => tx<TagCount>`
  select tag, count(*)::integer as count
  from (select unnest(tags) as tag from todos where ${shardKey} and tags <> '{}') as tagged
  group by tag
  order by tag collate "C"
  limit ${limit + 1} offset ${offset}`
