import { parseArgs } from 'node:util'
import { findTarget, withConnection } from '../connect.ts'
import { audit } from './audit.ts'

const usage = `Usage: npm run db:audit -- [--role NAME]… [--schema NAME]… [--column NAME]
Looks into the database of MIGRATION_DATABASE_URL or DATABASE_URL, or the running embedded one.
  --role    the role that the application logs in with; that of DATABASE_URL when left out
  --schema  a schema to look into; all when left out
  --column  the column that says whose a row is; user_id when left out
Exit code 1 when there is a finding, 2 when it could not look.`

const { values } = parseArgs({
  options: {
    role: { type: 'string', multiple: true },
    schema: { type: 'string', multiple: true },
    column: { type: 'string' },
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
    const { tables, findings } = await audit(sql, { roles, schemas: values.schema, column: values.column })
    console.log(`What ${roles.join(', ')} can reach:\n`)
    console.table(Object.fromEntries(tables.map(({ name, ...rest }) => [name, rest])))
    console.log(findings.length > 0 ? `\nFindings: ${findings.length}` : '\nNo findings.')
    for (const { object, finding } of findings) console.log(`  ${object} ${finding}`)
    return findings.length > 0 ? 1 : 0
  })
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 2
}
