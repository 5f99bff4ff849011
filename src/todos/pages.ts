import { createHmac, timingSafeEqual } from 'node:crypto'
import { stringify } from 'node:querystring'
import type { Config } from '../config.ts'
import { ApiError, invalidParameter } from '../http/errors.ts'
import { Headers } from '../http/schemas.ts'
import type { ListedTodo, Place } from './list.ts'
import type { TodoPage, TodoQuery } from './list-schema.ts'

/** The content of a cursor, as text without escapes: its length follows from that of the longest key. See MAX_CURSOR. */
const PAYLOAD = /^([<>])([\da-f-]{36}):(.*)$/s

/**
 * Keyset cursors: the last row of a page, signed together with the user, the filters and the sort, so that a cursor is
 * valid for one list only and cannot be forged.
 */
export type Cursors = ReturnType<typeof createCursors>
export function createCursors({ JWT_SECRET, JWT_SECRET_PREVIOUS }: Config) {
  // Another use of the same secret needs a key of its own.
  const deriveKey = (secret: string) => createHmac('sha256', secret).update('todo cursor v1').digest()
  const key = deriveKey(JWT_SECRET)
  const keys = JWT_SECRET_PREVIOUS ? [key, deriveKey(JWT_SECRET_PREVIOUS)] : [key]

  function sign(payload: string, userId: string, query: TodoQuery, key: Buffer): Buffer {
    const { limit, offset, cursor, count, ...list } = query
    const bound = JSON.stringify([payload, userId, Object.entries(list).sort()])
    return createHmac('sha256', key).update(bound).digest().subarray(0, 16)
  }

  return {
    /** A cursor for what comes after, or before, a row of a list. */
    write(kind: 'after' | 'before', { id, sort_key }: ListedTodo, userId: string, query: TodoQuery): string {
      const text = `${kind === 'after' ? '>' : '<'}${id}:${sort_key}`
      const payload = Buffer.from(text).toString('base64url')
      return `${payload}.${sign(payload, userId, query, key).toString('base64url')}`
    },

    /**
     * Where the page of a query begins.
     * @throws {ApiError} invalid_cursor, or invalid_request when there is an offset too (400)
     */
    read(userId: string, query: TodoQuery): Place {
      const { cursor, offset } = query
      if (cursor === undefined) return { kind: 'offset', offset: offset ?? 0 }
      if (offset !== undefined) throw invalidParameter('offset', 'conflict', 'cannot be sent with cursor')
      const [payload = '', signature = ''] = cursor.split('.')
      const given = Buffer.from(signature, 'base64url')
      const isOurs = (key: Buffer) => {
        const expected = sign(payload, userId, query, key)
        return given.length === expected.length && timingSafeEqual(given, expected)
      }
      // A signed one of another form is from another version of the API.
      const read = keys.some(isOurs) && PAYLOAD.exec(String(Buffer.from(payload, 'base64url')))
      if (!read) throw new ApiError('invalid_cursor')
      const [, direction, id = '', key = ''] = read
      return { kind: direction === '>' ? 'after' : 'before', key, id }
    },
  }
}

/**
 * A page of the list and its links (RFC 8288): first, prev and next, each with the filters of the query. They use
 * cursors unless the client sent an offset.
 * @param rows in the order of the statement, one more than the limit when there are more
 */
export function toTodoPage(
  rows: readonly ListedTodo[],
  place: Place,
  query: TodoQuery,
  userId: string,
  cursors: Cursors,
): { page: TodoPage; link: string } {
  const { limit, offset: sentOffset, cursor: _, ...list } = query
  const backwards = place.kind === 'before'
  const more = rows.length > limit
  const data = rows.slice(0, limit)
  if (backwards) data.reverse()
  const [first, last] = [data[0], data.at(-1)]
  // A client that pages backwards came from a later page; one that follows a cursor, from an earlier page.
  const hasNext = backwards || more
  const hasPrevious = place.kind === 'after' || (backwards && more)
  const next_cursor = last && hasNext ? cursors.write('after', last, userId, query) : null

  const links: Record<string, object> = { first: {} }
  if (sentOffset === undefined) {
    if (first && hasPrevious) links.prev = { cursor: cursors.write('before', first, userId, query) }
    if (next_cursor) links.next = { cursor: next_cursor }
  } else {
    if (sentOffset > 0) links.prev = { offset: Math.max(0, sentOffset - limit) }
    if (more) links.next = { offset: sentOffset + limit }
  }
  const link = joinLinks(
    Object.entries(links).map(
      ([rel, start]) => `</todos?${stringify({ ...list, limit, ...start })}>; rel="${rel}"`,
    ),
  )
  const offset = place.kind === 'offset' ? place.offset : null
  return { page: { data, limit, offset, has_more: next_cursor !== null, next_cursor }, link }
}

/** Each link repeats the filters. What would make the header too long is left out, the first page first. */
function joinLinks(links: readonly string[]): string {
  const joined = links.join(', ')
  return joined.length > (Headers.link.maxLength as number) ? joinLinks(links.slice(1)) : joined
}
