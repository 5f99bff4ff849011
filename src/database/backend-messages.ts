import { DatabaseError, types } from 'pg'

const code = (letter: string) => letter.charCodeAt(0)
/** The types of the server's messages (PostgreSQL manual, 54.7). */
export const Type = {
  parseComplete: code('1'),
  bindComplete: code('2'),
  closeComplete: code('3'),
  noData: code('n'),
  rowDescription: code('T'),
  dataRow: code('D'),
  commandComplete: code('C'),
  error: code('E'),
  notice: code('N'),
  notification: code('A'),
  parameterStatus: code('S'),
  readyForQuery: code('Z'),
} as const
/** The status in ReadyForQuery outside a transaction block. */
export const IDLE = code('I')

const HEADER = 5
/** Handles a message whose content is in `bytes` from `start` to `end`. */
export type OnMessage = (type: number, bytes: Buffer, start: number, end: number) => void

/** Creates a function that takes what a socket receives, and calls `onMessage` for each complete message. */
export function createMessageReader(onMessage: OnMessage): (chunk: Buffer) => void {
  let chunks: Buffer[] = []
  let size = 0
  let needed = HEADER
  return (chunk) => {
    chunks.push(chunk)
    size += chunk.length
    // Join the parts of a long message once, when it is complete.
    if (size < needed) return
    const bytes = chunks.length === 1 ? chunk : Buffer.concat(chunks)
    let start = 0
    needed = HEADER
    while (start + needed <= bytes.length) {
      needed = 1 + bytes.readUInt32BE(start + 1)
      if (start + needed > bytes.length) break
      onMessage(bytes[start] as number, bytes, start + HEADER, start + needed)
      start += needed
      needed = HEADER
    }
    chunks = start < bytes.length ? [bytes.subarray(start)] : []
    size = bytes.length - start
  }
}

/** A column of a result, and how its values are read. */
export interface Column {
  name: string
  read(bytes: Buffer, start: number, end: number): unknown
}

export function readColumns(bytes: Buffer, start: number): Column[] {
  const columns: Column[] = []
  let at = start + 2
  for (let left = bytes.readInt16BE(start); left > 0; left--) {
    const zero = bytes.indexOf(0, at)
    // The name, then the table, the column's number, and the type.
    columns.push({ name: bytes.toString('utf8', at, zero), read: readerOf(bytes.readUInt32BE(zero + 7)) })
    at = zero + 19
  }
  return columns
}

/** @throws {RangeError} when the row does not have these columns */
export function readRow(columns: readonly Column[], bytes: Buffer, start: number): object {
  if (bytes.readInt16BE(start) !== columns.length) throw new RangeError('Another number of columns')
  const row: Record<string, unknown> = {}
  let at = start + 2
  for (const { name, read } of columns) {
    const length = bytes.readInt32BE(at)
    at += 4
    row[name] = length < 0 ? null : read(bytes, at, at + length)
    if (length > 0) at += length
  }
  return row
}

export const readTag = (bytes: Buffer, start: number, end: number) => bytes.toString('latin1', start, end - 1)

/** The fields of an error that are used or logged (PostgreSQL manual, 54.8). */
const fields = {
  S: 'severity',
  C: 'code',
  D: 'detail',
  H: 'hint',
  W: 'where',
  s: 'schema',
  t: 'table',
  c: 'column',
  n: 'constraint',
  R: 'routine',
} as const

/** @throws {RangeError} when the message is not complete */
export function readError(bytes: Buffer, start: number, end: number): DatabaseError {
  const sent = new Map<string, string>()
  for (const field of bytes.toString('utf8', start, end).split('\0'))
    sent.set(field.charAt(0), field.slice(1))
  const error = new DatabaseError(`${sent.get('M')}`, end - start, 'error')
  for (const [letter, name] of Object.entries(fields)) if (sent.has(letter)) error[name] = sent.get(letter)
  return error
}

const PLUS = code('+')
const MINUS = code('-')
const ZERO = code('0')
const TRUE = code('t')
const DATE_END = code('T')
const UTC = code('Z')
/** types.builtins has no arrays. */
const TEXT_ARRAY: number = 1009
const parseTexts = types.getTypeParser(TEXT_ARRAY as never, 'text') as (text: string) => string[]
const readText: Column['read'] = (bytes, start, end) => bytes.toString('utf8', start, end)
const readers: Record<number, Column['read']> = {
  [types.builtins.TEXT]: readText,
  [types.builtins.UUID]: (bytes, start, end) => bytes.toString('latin1', start, end),
  [types.builtins.BOOL]: (bytes, start) => bytes[start] === TRUE,
  [types.builtins.INT2]: readInteger,
  [types.builtins.INT4]: readInteger,
  [types.builtins.TIMESTAMPTZ]: readTimestamp,
  // Most todos have no tags: {}.
  [TEXT_ARRAY]: (bytes, start, end) =>
    end - start === 2 ? [] : parseTexts(readText(bytes, start, end) as string),
}

function readInteger(bytes: Buffer, start: number, end: number): number {
  let value = 0
  for (let at = bytes[start] === MINUS ? start + 1 : start; at < end; at++)
    value = value * 10 + (bytes[at] as number) - ZERO
  return bytes[start] === MINUS ? -value : value
}

/** Turns the server's text into RFC 3339. A Date would lose the microseconds. */
function readTimestamp(bytes: Buffer, start: number, end: number): string {
  // Not so in infinity.
  if (bytes[end - 3] !== PLUS) return bytes.toString('latin1', start, end)
  bytes[start + 10] = DATE_END
  bytes[end - 3] = UTC
  return bytes.toString('latin1', start, end - 2)
}

function readerOf(type: number): Column['read'] {
  const known = readers[type]
  if (known) return known
  const parse = types.getTypeParser(type, 'text')
  return (bytes, start, end) => parse(readText(bytes, start, end) as string)
}
