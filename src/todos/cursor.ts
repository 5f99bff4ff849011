import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Config } from '../config.ts'
import { ApiError, invalidParameter } from '../http/errors.ts'
import { type Place, readKey } from './list.ts'
import type { SortKey, Todo, TodoQuery } from './schema.ts'

/** What a cursor says, as text without escapes: its length follows from that of the longest key. See MAX_CURSOR. */
const PAYLOAD = /^([<>])([\da-f-]{36})(?::(.*))?$/s

/**
 * Keyset cursors: the last row of a page, signed together with the user, the filters and the sort, so
 * that a cursor is good for one list alone and none can be made up.
 */
export type Cursors = ReturnType<typeof createCursors>
export function createCursors({ JWT_SECRET, JWT_SECRET_PREVIOUS }: Config) {
  const secrets = [JWT_SECRET, JWT_SECRET_PREVIOUS].filter(Boolean)

  function sign(payload: string, userId: string, query: TodoQuery, secret: string): Buffer {
    const { limit, offset, cursor, count, ...list } = query
    const bound = JSON.stringify([payload, userId, Object.entries(list).sort()])
    // Another use of the same secret needs a key of its own.
    const key = createHmac('sha256', secret).update('todo cursor v1').digest()
    return createHmac('sha256', key).update(bound).digest().subarray(0, 16)
  }

  return {
    /** A cursor for what comes after, or before, a row of a list. */
    write(kind: 'after' | 'before', todo: Todo, userId: string, query: TodoQuery): string {
      const key = readKey(todo, query.sort.replace('-', '') as SortKey)
      const text = `${kind === 'after' ? '>' : '<'}${todo.id}${key === null ? '' : `:${key}`}`
      const payload = Buffer.from(text).toString('base64url')
      return `${payload}.${sign(payload, userId, query, JWT_SECRET).toString('base64url')}`
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
      const isOurs = (secret: string) => {
        const expected = sign(payload, userId, query, secret)
        return given.length === expected.length && timingSafeEqual(given, expected)
      }
      // A signed one of another form is from another version of the API.
      const read = secrets.some(isOurs) && PAYLOAD.exec(String(Buffer.from(payload, 'base64url')))
      if (!read) throw new ApiError('invalid_cursor')
      const [, direction, id = '', key = null] = read
      return { kind: direction === '>' ? 'after' : 'before', key, id }
    },
  }
}
