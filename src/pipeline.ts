import { createHash } from 'node:crypto'
import { DatabaseError, type FieldDef, type Submittable, types, type Connection as Wire } from 'pg'
import { unavailable } from './errors.ts'

/** What can be bound to a parameter; JSON is bound as its text. */
export type Value = string | number | boolean | null | Buffer | readonly (string | number)[]

interface Column {
  name: string
  parse(text: string): unknown
}
/** How the server knows a statement that it has parsed; its columns are known once it has been executed. */
interface Prepared {
  name: string
  columns?: Column[] | undefined
}
/** A connection's, by their text. */
export type PreparedStatements = Map<string, Prepared>

/** One statement on its way, and what came of it. */
export class Statement {
  readonly text: string
  readonly values: readonly (string | Buffer | null)[]
  readonly rows: object[] = []
  /** The rows, or the error of this statement or of one before it. */
  readonly result: Promise<object[]>
  /** What the server says it has done, like `COMMIT`. */
  tag = ''
  /** Without a name, unless it is kept. */
  prepared: Prepared = { name: '' }
  resolve!: (rows: object[]) => void
  reject!: (reason: unknown) => void

  /** Whether the connection may keep it prepared; its plan is made anew each time otherwise. */
  readonly kept: boolean

  constructor(text: string, values: readonly Value[], kept = true) {
    this.text = text
    this.kept = kept
    this.values = values.map(serialize)
    this.result = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
    // Whoever sent it may have gone on without it.
    this.result.catch(() => {})
  }
}

/**
 * Statements that are sent together and end with one Sync: they cost one round trip, and after one that fails
 * the server skips the rest (PostgreSQL manual, 54.2.3 and 54.2.4). An extension of pg's Client, which calls the
 * `handle` methods with what the server answers.
 */
export class Pipeline implements Submittable {
  /** The one that the server is at comes first. */
  readonly #statements: Statement[]
  readonly #prepared: PreparedStatements | undefined
  readonly #onReady: () => void

  /**
   * @param prepared the connection's statements; undefined when each is to be parsed anew
   * @param onReady called when the connection takes the next pipeline
   */
  constructor(
    statements: readonly Statement[],
    prepared: PreparedStatements | undefined,
    onReady: () => void,
  ) {
    this.#statements = [...statements]
    this.#prepared = prepared
    this.#onReady = onReady
  }

  submit(wire: Wire): void {
    // One packet.
    wire.stream.cork()
    for (const statement of this.#statements) {
      const { text, values } = statement
      const { name, columns } = this.#prepare(statement)
      if (!columns) {
        // An attempt that failed may have left it. To close one that does not exist is no error.
        if (name) wire.close({ type: 'S', name }, true)
        wire.parse({ name, text, types: [] }, true)
      }
      wire.bind({ statement: name, values: values as string[] }, true)
      if (!columns) wire.describe({ type: 'P' }, true)
      wire.execute(null, true)
    }
    wire.sync()
    wire.stream.uncork()
  }

  #prepare(statement: Statement): Prepared {
    if (this.#prepared && statement.kept) {
      statement.prepared = this.#prepared.get(statement.text) ?? { name: nameOf(statement.text) }
      this.#prepared.set(statement.text, statement.prepared)
    }
    return statement.prepared
  }

  handleRowDescription({ fields }: { fields: FieldDef[] }): void {
    const [{ prepared }] = this.#statements as [Statement]
    prepared.columns = fields.map(({ name, dataTypeID }) => ({ name, parse: parserOf(dataTypeID) }))
  }

  handleDataRow({ fields }: { fields: (string | null)[] }): void {
    const [{ prepared, rows }] = this.#statements as [Statement]
    const row: Record<string, unknown> = {}
    prepared.columns?.forEach(({ name, parse }, index) => {
      const field = fields[index] as string | null
      row[name] = field === null ? null : parse(field)
    })
    rows.push(row)
  }

  handleCommandComplete({ text: tag }: { text: string }): void {
    const statement = this.#statements.shift() as Statement
    statement.prepared.columns ??= []
    statement.tag = tag
    statement.resolve(statement.rows)
  }

  handleReadyForQuery(): void {
    this.#onReady()
  }

  /** An error that the server sent, or the loss of the connection. */
  handleError(error: Error): void {
    const reason = error instanceof DatabaseError ? error : unavailable(error)
    for (const { prepared, reject } of this.#statements) {
      // Parsed anew the next time: it may not fit the tables any more.
      prepared.columns = undefined
      reject(reason)
    }
    if (reason === error) this.#onReady()
  }
}

/**
 * By what it says, so that a pooler that does not keep the names of its clients apart can lend a connection that does
 * not know it, but never one on which it means another statement.
 */
const nameOf = (text: string) => createHash('sha256').update(text).digest('base64url')

/** The server sends timestamps as text; the API sends the same text on in RFC 3339 form, never through a Date. */
const parseTimestamp = (text: string) => text.replace(' ', 'T').replace('+00', 'Z')
const parserOf = (type: number): Column['parse'] =>
  type === types.builtins.TIMESTAMPTZ ? parseTimestamp : types.getTypeParser(type, 'text')

/** In the text format (PostgreSQL manual, 8.15.2 for arrays), but bytes as they are. */
function serialize(value: Value): string | Buffer | null {
  if (value === null || typeof value === 'string' || value instanceof Buffer) return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (!Array.isArray(value)) throw new TypeError(`A parameter cannot be of type ${typeof value}`)
  const elements = value.map((element) => `"${String(element).replaceAll(/["\\]/g, '\\$&')}"`)
  return `{${elements.join()}}`
}
