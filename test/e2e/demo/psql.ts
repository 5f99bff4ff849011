import postgres from 'postgres'
import type { Screen } from './screen.ts'

type Row = Record<string, string | null>

export type Psql = ReturnType<typeof createPsql>

/** A session in the database that prints what psql prints. */
export function createPsql(url: string, screen: Screen) {
  // Booleans and integers as psql shows them.
  const text = { to: 25, from: [16, 21, 23], serialize: String, parse: (shown: string) => shown }
  const sql = postgres(url, { max: 1, onnotice: () => {}, types: { text } })

  /** Rows, or the text of a command tag or an error. */
  async function run(command: string): Promise<postgres.RowList<Row[]> | string> {
    try {
      const rows = await sql.unsafe<Row[]>(command)
      if (rows.columns) return rows
      return rows.count === null ? rows.command : `${rows.command} ${rows.count}`
    } catch (error) {
      if (error instanceof postgres.PostgresError) return `${error.severity}:  ${error.message}`
      throw error
    }
  }

  return {
    /** Runs, prints, and demands what comes of it: rows, or the text of a command tag or an error. */
    async ask(command: string, expected: Row[] | string): Promise<void> {
      await screen.command('todo=> ', `${command};`)
      const result = await run(command)
      const isText = typeof result === 'string'
      const isError = isText && result.startsWith('ERROR')
      await screen.answer(isError ? 'yellow' : 'reset', isText ? result : tellTable(result))
      screen.demand('the answer', isText ? result : [...result], expected)
    },
    end: () => sql.end({ timeout: 1 }),
  }
}

/** Aligned as psql does: names in the middle, numbers to the right. */
function tellTable(rows: postgres.RowList<Row[]>): string {
  const names = rows.columns.map(({ name }) => name)
  const cells = rows.map((row) => names.map((name) => row[name] ?? ''))
  const widths = names.map((name, n) =>
    Math.max(...[name, ...cells.map((row) => row[n] ?? '')].map(({ length }) => length)),
  )
  const center = (text: string, width: number) => text.padStart((width + text.length) >> 1).padEnd(width)
  const align = (text: string, width: number) =>
    /^\d+$/.test(text) ? text.padStart(width) : text.padEnd(width)
  const line = (texts: string[], place: typeof align) =>
    ` ${texts.map((text, n) => place(text, widths[n] ?? 0)).join(' | ')}`.trimEnd()
  return [
    line(names, center),
    widths.map((width) => '-'.repeat(width + 2)).join('+'),
    ...cells.map((row) => line(row, align)),
    `(${rows.length} ${rows.length === 1 ? 'row' : 'rows'})`,
  ].join('\n')
}
