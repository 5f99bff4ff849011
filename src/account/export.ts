import type { User } from '../auth/schema.ts'
import type { Tx } from '../database/transaction.ts'
import type { ExportPart } from '../http/features.ts'

/** So few that even the longest todos do not hold the event loop for long. */
const PAGE_SIZE = 25
const FIRST = '00000000-0000-0000-0000-000000000000'

/**
 * The text of the user's export, in pieces. Each page is a transaction of its own: no connection waits
 * for a client that reads slowly, and what changes meanwhile may be in the export or not.
 * @param parts the members after the user, as the features have registered them
 * @param withUser runs SQL as the user; when it throws, the export ends there and is visibly cut short
 */
export async function* writeExport(
  user: User,
  parts: Record<string, ExportPart>,
  withUser: <T>(run: (tx: Tx) => Promise<T>) => Promise<T>,
): AsyncGenerator<string> {
  yield `{"user":${JSON.stringify(user)}`
  for (const [name, { readPage }] of Object.entries(parts)) {
    yield `,"${name}":[`
    let after: string | undefined = FIRST
    let separator = ''
    while (after) {
      const from: string = after
      const rows = await withUser((tx) => readPage(tx, from, PAGE_SIZE))
      if (rows.length > 0) yield separator + rows.map((row) => JSON.stringify(row)).join()
      separator = ','
      after = rows[PAGE_SIZE - 1]?.id
    }
    yield ']'
  }
  yield '}'
}
