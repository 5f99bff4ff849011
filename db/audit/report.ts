import { parseArgs } from 'node:util'
import { findTarget, withConnection } from '../connect.ts'
import { type AuditedTable, audit, type Finding } from './audit.ts'

const usage = `Usage: npm run db:audit -- [--role NAME]… [--schema NAME]… [--column NAME] [--json]
Checks that row-level security confines the application's roles, in the database of MIGRATION_DATABASE_URL or
DATABASE_URL, or in the running embedded one.
  --role    a role that the application logs in with; by default the user in DATABASE_URL
  --schema  a schema to check; by default all
  --column  the column that contains a row's owner; by default user_id
  --json    print JSON instead of text
Names known security holes of the server's version, too. Exits with 1 if there are findings, and with 2 if the audit could not run.`

const { values } = parseArgs({
  options: {
    role: { type: 'string', multiple: true },
    schema: { type: 'string', multiple: true },
    column: { type: 'string' },
    json: { type: 'boolean' },
    help: { type: 'boolean' },
  },
})

async function main(): Promise<number> {
  if (values.help) {
    console.log(usage)
    return 0
  }
  const target = findTarget()
  const { DATABASE_URL } = process.env
  return withConnection(target, async (sql) => {
    const [me] = await sql<{ name: string }[]>`select current_user as name`
    const login = DATABASE_URL && decodeURIComponent(new URL(DATABASE_URL).username)
    const roles = values.role ?? [login || String(me?.name)]
    const { column } = values
    const { tables, findings, advisories } = await audit(sql, { roles, schemas: values.schema, column })
    if (values.json) console.log(JSON.stringify({ roles, tables, findings, advisories }, null, 2))
    else console.log([toText(roles, tables, findings), ...toWarning(advisories)].join('\n'))
    return findings.length > 0 ? 1 : 0
  })
}

function toText(roles: readonly string[], tables: readonly AuditedTable[], findings: readonly Finding[]) {
  const rows = tables.map(({ name, rls, policies, grants }) => [name, rls, policies, grants])
  return [
    `Access of ${roles.join(', ')}:`,
    '',
    ...alignColumns([['TABLE', 'RLS', 'POLICIES FOR', 'GRANTS'], ...rows]),
    '',
    findings.length > 0 ? `Findings: ${findings.length}` : 'No findings.',
    ...alignColumns(findings.map(({ object, finding }) => [`  ${object}`, finding])),
  ].join('\n')
}

/** Not a finding: nothing in the database is wrong. */
const toWarning = (advisories: readonly string[]) =>
  advisories.length > 0
    ? ['', 'Update the server: its version has known holes.', ...advisories.map((line) => `  ${line}`)]
    : []

/** Pads each cell to the width of its column. */
function alignColumns(rows: readonly string[][]): string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => `${row[column]}`.length))) ?? []
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] as number))
      .join('  ')
      .trimEnd(),
  )
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 2
}
