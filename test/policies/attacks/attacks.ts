import { readdirSync, readFileSync } from 'node:fs'
import postgres from 'postgres'
import type { TestDatabase } from '../../support/clone-database.ts'
import { fill } from '../fixture.ts'
import type { Cell } from '../table.ts'

export interface Attack {
  wants: string
  statements: string[]
  gets: string
  /** What cannot be refused; docs/security.md has it word for word, with what an operator can do. */
  remains?: string
}

const folder = new URL('./', import.meta.url)
const files = readdirSync(folder).filter((name) => name.endsWith('.txt'))
/** The catalogue: context.txt describes the format. */
export const attacks: Attack[] = files.flatMap((name) =>
  readFileSync(new URL(name, folder), 'utf8')
    .split(/^> /m)
    .slice(1)
    .map((block) => {
      const [wants = '', ...lines] = block.trimEnd().split('\n')
      const marked = (mark: string) => lines.find((line) => line.startsWith(mark))?.slice(2)
      const remains = marked('! ')
      const statements = lines.filter((line) => line && !/^[=!]/.test(line))
      return { wants, statements, gets: marked('= ') ?? '', ...(remains && { remains }) }
    }),
)

/** Ada's rows that have not expired: no attack may change them. */
const ofAda = async (admin: postgres.Sql) => {
  const [row] = await admin.unsafe<{ rows: string }[]>(
    fill(`
    select md5(string_agg(row, '' order by row)) as rows from (
    select users::text as row from users where id = :ada
    union all select credentials::text from identity.credentials where user_id = :ada
    union all select sessions::text from identity.sessions where user_id = :ada and expires_at > now()
    union all select refresh_tokens::text from identity.refresh_tokens where user_id = :ada and expires_at > now()
    union all select access_tokens::text from identity.access_tokens where user_id = :ada
    union all select events::text from identity.events where user_id = :ada
    union all select totp_seeds::text from identity.totp_seeds where user_id = :ada
    union all select recovery_codes::text from identity.recovery_codes where user_id = :ada
    union all select locked_users::text from identity.locked_users where user_id = :ada
    union all select todos::text from todos where user_id = :ada
    union all select trashed_todos::text from trashed_todos where user_id = :ada and expires_at > now()
    union all select todo_changes::text from todo_changes where user_id = :ada and changed_at > now() - interval '30 days'
    union all select idempotency_keys::text from idempotency_keys where user_id = :ada) as all_rows`),
  )
  return row?.rows
}

const shown = (value: unknown) => (value === null ? 'null' : String(value))
const show = (rows: readonly (readonly unknown[])[]) =>
  rows.length > 0 ? rows.map((row) => row.map(shown).join(' ')).join(', ') : 'nothing'

/** Opens Bob's transaction, runs the attack, and commits what it did unless it rolled back or failed. */
async function run({ statements }: Attack, first: postgres.Sql, second: postgres.Sql): Promise<string> {
  // With parameters, though there are none: postgres.js then takes the extended protocol.
  const send = (sql: postgres.Sql, text: string) => sql.unsafe(text, []).values()
  try {
    await send(first, 'begin')
    await send(first, fill('select app.authenticate(:bob, :other, :$session)'))
    const seal = show(await send(first, `select current_setting('app.context')`))
    let result = ''
    for (const statement of statements) {
      const text = fill(statement.replace(/^@2 /, '').replaceAll(':seal', `'${seal}'`))
      const rows = await send(statement.startsWith('@2 ') ? second : first, text)
      if (/^(@2 )?(select|insert|update|delete|with|fetch|execute)\b/.test(statement)) result = show(rows)
    }
    return result
  } catch (error) {
    if (error instanceof postgres.PostgresError) return `${error.code}`
    throw error
  } finally {
    for (const sql of [first, second]) {
      await send(sql, 'commit')
      await send(sql, 'discard all')
    }
  }
}

/** Tries every attack of the catalogue in the role that the API logs in with. */
export async function* tryAttacks(
  { url, admin }: TestDatabase,
  which: 'all' | 'refused' = 'all',
): AsyncGenerator<Cell> {
  const open = () => postgres(url, { max: 1, onnotice: () => {} })
  const [first, second] = [open(), open()]
  try {
    const before = await ofAda(admin)
    for (const attack of attacks) {
      // What remains says nothing about a weaker database, and touches roles, which databases share.
      if (attack.remains && which === 'refused') continue
      const name = `an attacker wants to ${attack.wants}`
      yield { name, expected: attack.gets, actual: await run(attack, first, second) }
      yield { name: `${name}: Ada's rows`, expected: before, actual: `${await ofAda(admin)}` }
    }
  } finally {
    await Promise.all([first.end(), second.end()])
  }
}
