import type { Column } from './backend-messages.ts'

/** A value that can be bound to a parameter. Bind JSON as text. */
export type Value = string | number | boolean | null | Buffer | readonly (string | number)[]

/** A statement that the server has parsed. Its columns are known after the first execution. */
export interface Prepared {
  name: string
  columns?: Column[] | undefined
}
/** One statement to send, and its result. */
export class Statement {
  readonly text: string
  readonly values: readonly (string | Buffer | null)[]
  readonly rows: object[] = []
  /** The rows, or the error of this statement or of one before it. */
  readonly result: Promise<object[]>
  /** The server's command tag, such as `COMMIT`. */
  tag = ''
  /** The name is empty unless the statement is prepared. */
  prepared: Prepared = { name: '' }
  resolve!: (rows: object[]) => void
  reject!: (reason: unknown) => void

  /** Whether it may be prepared; otherwise the server plans it each time. */
  readonly preparable: boolean
  /** Whether it begins or ends the transaction. */
  readonly isControl: boolean

  constructor(text: string, values: readonly Value[], { preparable = true, isControl = false } = {}) {
    this.text = text
    this.preparable = preparable
    this.isControl = isControl
    this.values = values.map(serialize)
    this.result = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
    // The caller may not wait for it.
    this.result.catch(() => {})
  }
}

/** Converts a value to PostgreSQL's text format (manual, 8.15.2 for arrays); bytes are sent in binary. */
function serialize(value: Value): string | Buffer | null {
  if (value === null || typeof value === 'string' || value instanceof Buffer) return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (!Array.isArray(value)) throw new TypeError(`A parameter cannot be of type ${typeof value}`)
  const elements = value.map((element) => `"${String(element).replaceAll(/["\\]/g, '\\$&')}"`)
  return `{${elements.join()}}`
}
