import postgres from 'postgres'
import { drawTables } from './diagram.ts'
import { loadEnvironment } from './environment.ts'

loadEnvironment()
const url = process.env.MIGRATION_DATABASE_URL || process.env.DATABASE_URL
if (url) {
  const sql = postgres(url, { max: 1, connect_timeout: 5 })
  process.stdout.write(await drawTables(sql).finally(() => sql.end()))
} else {
  console.error('There is no database to draw: set MIGRATION_DATABASE_URL, or start the service.')
  process.exitCode = 2
}
