/** What can be bound to a parameter; JSON is bound as its text. */
export type Value = string | number | boolean | null | Buffer | readonly (string | number)[]

export interface Column {
  name: string
  parse(text: string): unknown
}
/** How the server knows a statement that it has parsed; its columns are known once it has been executed. */
export interface Prepared {
  name: string
  columns?: Column[] | undefined
}
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
  /** Whether it begins or ends the transaction. */
  readonly isControl: boolean

  constructor(text: string, values: readonly Value[], { kept = true, isControl = false } = {}) {
    this.text = text
    this.kept = kept
    this.isControl = isControl
    this.values = values.map(serialize)
    this.result = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
    // Whoever sent it may have gone on without it.
    this.result.catch(() => {})
  }
}

/** In the text format (PostgreSQL manual, 8.15.2 for arrays), but bytes as they are. */
function serialize(value: Value): string | Buffer | null {
  if (value === null || typeof value === 'string' || value instanceof Buffer) return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (!Array.isArray(value)) throw new TypeError(`A parameter cannot be of type ${typeof value}`)
  const elements = value.map((element) => `"${String(element).replaceAll(/["\\]/g, '\\$&')}"`)
  return `{${elements.join()}}`
}
