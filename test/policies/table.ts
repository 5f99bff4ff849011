import { readFileSync } from 'node:fs'
import postgres from 'postgres'
import type { TestDatabase } from '../support/clone-database.ts'
import { derivedLines, derivedTables } from './derived.ts'
import { fill } from './fixture.ts'

interface Actor {
  /** Sent by a superuser at the beginning of the transaction, before the statement. */
  as: string[]
  /** The role that then sends the statement. */
  role: 'login' | 'owner' | 'todo_auth'
}
/** A context sealed as app.authenticate seals it. */
const seal = (scopes: string, credential = ':used', loggedInAt = 'now()') =>
  `select set_config('app.context', identity.sealed_context(:ada, ${credential}, ${loggedInAt}, '{${scopes}}'), true)`
const every = 'todos:read,todos:write,account'

/** Who asks, in the order of the columns. */
const actors: Record<string, Actor> = {
  nobody: { role: 'login', as: [] },
  read: { role: 'login', as: [seal('todos:read')] },
  write: { role: 'login', as: [seal('todos:write')] },
  account: { role: 'login', as: [seal('account')] },
  late: { role: 'login', as: [seal('account', ':own', "now() - interval '1 hour'")] },
  expired: { role: 'login', as: ['select app.authenticate(:ada, :old, :$session)'] },
  deleted: { role: 'login', as: ['select app.authenticate(:gone, :gone, :$session)'] },
  definer: { role: 'todo_auth', as: [seal(every)] },
  owner: { role: 'owner', as: [seal(every)] },
}
export const actorNames = Object.keys(actors)
const outcomes: Record<string, string> = { x: '42501', k: '23505', f: '23503', n: '23502', c: '23514' }

const split = (lines: string[]) =>
  lines
    .filter((line) => line && !line.startsWith('#'))
    .map((line) => line.split('|').map((part) => part.trim()))
const read = (name: string) => readFileSync(new URL(name, import.meta.url), 'utf8').split('\n')

export interface Line {
  statement: string
  table: string
  command: string
  /** Per actor: rows, or an SQLSTATE; with the grants as they are, and with everything granted. */
  granted: string[]
  alone: string[]
}
/** The lines of table.txt, and those that are derived for the tables that it does not name. */
export async function readLines(admin: postgres.Sql): Promise<Line[]> {
  const derived = derivedLines(await derivedTables(admin))
  return split([...read('table.txt'), ...derived]).map(([statement = '', granted = '', alone = '']) => {
    const [, command = '', table = ''] = /^(\w+) (?:from |into )?([\w.]+)/.exec(statement) ?? []
    const cells = (text: string) => text.split(/\s+/).map((cell) => outcomes[cell] ?? cell)
    return { statement, command, table, granted: cells(granted), alone: cells(alone) }
  })
}

/**
 * Sends statements in a transaction that is undone.
 * @returns the last result, or the SQLSTATE that refuses one of them
 */
async function attempt(
  sql: postgres.Sql,
  statements: string[],
): Promise<postgres.RowList<object[]> | string> {
  // Sent together. With parameters, though there are none: postgres.js then takes the extended protocol.
  const sent = ['begin', ...statements].map((text) => sql.unsafe<object[]>(fill(text), []).execute())
  const outcomes = await Promise.allSettled([...sent, sql.unsafe<object[]>('rollback', [])])
  const outcome = outcomes.find(({ status }) => status === 'rejected') ?? outcomes.at(-2)
  if (outcome?.status === 'fulfilled') return outcome.value
  if (outcome?.reason instanceof postgres.PostgresError) return outcome.reason.code
  throw outcome?.reason
}

export interface Cell {
  name: string
  expected: string | undefined
  actual: string
}

/** Tries every cell of the table, and yields what came of it. */
export async function* tryTable(
  { url, ownerUrl, admin }: TestDatabase,
  mode: 'granted' | 'alone',
  first = '',
): AsyncGenerator<Cell> {
  const lines = await readLines(admin)
  const connection = await admin.reserve()
  const names = { login: new URL(url).username, owner: new URL(ownerUrl).username, todo_auth: 'todo_auth' }
  try {
    // The table that was tampered with comes first, so that the tampering is found soon.
    const ordered = lines.sort((a, b) => Number(b.table === first) - Number(a.table === first))
    for (const line of ordered)
      for (const [index, [name, { as, role }]] of Object.entries(actors).entries()) {
        const become = [...as, `set local role ${names[role]}`]
        const result = await attempt(connection, [...become, line.statement])
        const actual = typeof result === 'string' ? result : String(result.count)
        yield { name: `${line.statement}, as ${name}, ${mode}`, expected: line[mode][index], actual }
      }
  } finally {
    connection.release()
  }
}

/** Tries every line of the functions' table. */
export async function* tryFunctions({ admin }: TestDatabase): AsyncGenerator<Cell> {
  const connection = await admin.reserve()
  try {
    for (const [name = '', statement = '', look, expected] of split(read('functions.txt'))) {
      const as = [...(actors[name] as Actor).as, 'set local role todo_api', statement]
      const result = await attempt(connection, look ? [...as, 'reset role', look] : as)
      const [first = null] = typeof result === 'string' ? [result] : Object.values(result.at(-1) ?? {})
      const actual = Array.isArray(first) ? `{${first}}` : String(first)
      yield { name: `${statement}, as ${name}${look && `: ${look}`}`, expected, actual }
    }
  } finally {
    connection.release()
  }
}

/** Grants everything, so that the policies stand alone. */
export const grantEverything = ({ admin }: TestDatabase) =>
  admin.unsafe(`
    grant usage on schema public, app, identity to todo_api, todo_auth;
    grant select, insert, update, delete on all tables in schema public, identity to todo_api, todo_auth`)
