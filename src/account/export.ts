import type { User } from '../auth/schema.ts'
import type { Tx } from '../database/transaction.ts'
import type { ExportPart } from '../http/features.ts'

/** Rows per page: few, so that serialising the longest todos does not block the event loop. */
const PAGE_SIZE = 25
const FIRST = '00000000-0000-0000-0000-000000000000'

/**
 * Generates the JSON text of the user's export. Each page has its own transaction, so that a slow client holds no
 * connection; concurrent changes may or may not be included.
 * @param parts the members after the user, as the features have registered them
 * @param withUser runs SQL as the user; when it throws, the export ends there as invalid JSON
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
