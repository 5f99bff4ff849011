/** What the messages of one statement consist of. */
export interface BoundStatement {
  /** The name of the prepared statement; empty when it is not prepared. */
  name: string
  /** The SQL when the server must parse it and describe its columns. */
  text: string | undefined
  /** Text is sent as text, bytes in binary. */
  values: readonly (string | Buffer | null)[]
}

const type = (letter: string) => letter.charCodeAt(0)
const PARSE = type('P')
const BIND = type('B')
const DESCRIBE = type('D')
const EXECUTE = type('E')
const CLOSE = type('C')
const SYNC = type('S')
/** Bytes of Bind and Execute, of Close, Parse and Describe, and of Sync, without names, SQL and values. */
const BIND_SIZE = 23
const PARSE_SIZE = 23
const SYNC_SIZE = 5

/**
 * Encodes statements and one Sync (PostgreSQL manual, 54.7) in one buffer. pg would write each message separately, at
 * several times the CPU.
 */
export function encodeBatch(statements: readonly BoundStatement[]): Buffer {
  const writer = new Writer(statements.reduce((size, statement) => size + sizeOf(statement), SYNC_SIZE))
  for (const statement of statements) {
    if (statement.text !== undefined) writeParse(writer, statement.name, statement.text)
    writeBind(writer, statement)
    if (statement.text !== undefined) writer.begin(DESCRIBE).byte(type('P')).text('').end()
    writer.begin(EXECUTE).text('').int32(0).end()
  }
  writer.begin(SYNC).end()
  return writer.buffer
}

function sizeOf({ name, text, values }: BoundStatement): number {
  let size = BIND_SIZE + name.length + values.length * 6
  for (const value of values)
    if (value !== null) size += typeof value === 'string' ? Buffer.byteLength(value) : value.length
  if (text !== undefined) size += PARSE_SIZE + 2 * name.length + Buffer.byteLength(text)
  return size
}

function writeParse(writer: Writer, name: string, text: string): void {
  // A failed attempt may have prepared it. Closing one that does not exist is not an error.
  writer.begin(CLOSE).byte(type('S')).text(name).end()
  writer.begin(PARSE).text(name).text(text).int16(0).end()
}

function writeBind(writer: Writer, { name, values }: BoundStatement): void {
  writer.begin(BIND).text('').text(name).int16(values.length)
  for (const value of values) writer.int16(value instanceof Buffer ? 1 : 0)
  writer.int16(values.length)
  for (const value of values) writer.value(value)
  // The results are sent as text.
  writer.int16(0).end()
}

/** Writes messages, each with its type and length, into a buffer of the right size. */
class Writer {
  readonly buffer: Buffer
  #at = 0
  #start = 0

  constructor(size: number) {
    this.buffer = Buffer.allocUnsafe(size)
  }
  begin(type: number): this {
    this.buffer[this.#at] = type
    this.#start = this.#at + 1
    this.#at += 5
    return this
  }
  end(): void {
    this.buffer.writeInt32BE(this.#at - this.#start, this.#start)
  }
  byte(value: number): this {
    this.buffer[this.#at++] = value
    return this
  }
  int16(value: number): this {
    this.#at = this.buffer.writeInt16BE(value, this.#at)
    return this
  }
  int32(value: number): this {
    this.#at = this.buffer.writeInt32BE(value, this.#at)
    return this
  }
  /** A text that ends with a zero byte. */
  text(value: string): this {
    if (value !== '') this.#at += this.buffer.write(value, this.#at)
    return this.byte(0)
  }
  /** A value with its length. */
  value(value: string | Buffer | null): void {
    if (value === null) return void this.int32(-1)
    const start = this.#at
    this.#at += 4
    this.#at +=
      typeof value === 'string' ? this.buffer.write(value, this.#at) : value.copy(this.buffer, this.#at)
    this.buffer.writeInt32BE(this.#at - start - 4, start)
  }
}
