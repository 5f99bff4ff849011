import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import type { Test } from 'tap'
import type { Embedded } from '../../db/embedded/start.ts'

/** Makes a folder that the embedded PostgreSQL can reach, whatever user it runs as. */
export function makeFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'todo-api-test-'))
  chmodSync(folder, 0o755)
  t.teardown(() => rmSync(folder, { recursive: true, maxRetries: 10 }))
  return folder
}
export const flags = ['fsync=off']
export const pidFile = (folder: string) => join(folder, 'postgres/data/postmaster.pid')
/** Asks as the API's role, then stops the database. */
export async function useAndStop(t: Test, { databaseUrl, stop }: Embedded, message: string) {
  const sql = postgres(databaseUrl, { max: 1 })
  t.match(await sql`select current_user as me`, [{ me: 'todo_login' }], message)
  await sql.end()
  await stop()
}
