import { stringify } from 'node:querystring'
import type { Cursors } from './cursor.ts'
import type { Place } from './list.ts'
import type { Todo, TodoPage, TodoQuery } from './schema.ts'

/**
 * A page of the list and its links (RFC 8288): first, prev and next, each with the filters of the query.
 * @param rows in the order of the statement, one more than the limit when there are more
 */
export function toTodoPage(
  rows: readonly Todo[],
  place: Place,
  query: TodoQuery,
  userId: string,
  cursors: Cursors,
): { page: TodoPage; link: string } {
  const { limit, offset: _, cursor: __, ...list } = query
  const backwards = place.kind === 'before'
  const more = rows.length > limit
  const data = rows.slice(0, limit)
  if (backwards) data.reverse()
  const [first, last] = [data[0], data.at(-1)]
  // Whoever goes backwards has come from a page that follows; whoever goes on from a cursor, from one before.
  const hasNext = backwards || more
  const next_cursor = last && hasNext ? cursors.write('after', last, userId, query) : null
  const offset = place.kind === 'offset' ? place.offset : null

  const links: Record<string, object> = { first: {} }
  if (offset === null) {
    if (first && (!backwards || more)) links.prev = { cursor: cursors.write('before', first, userId, query) }
    if (next_cursor) links.next = { cursor: next_cursor }
  } else {
    if (offset > 0) links.prev = { offset: Math.max(0, offset - limit) }
    if (more) links.next = { offset: offset + limit }
  }
  const link = Object.entries(links)
    .map(([rel, start]) => `</todos?${stringify({ ...list, limit, ...start })}>; rel="${rel}"`)
    .join(', ')
  return { page: { data, limit, offset, has_more: next_cursor !== null, next_cursor }, link }
}
