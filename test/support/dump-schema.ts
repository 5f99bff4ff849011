import { execFile } from 'node:child_process'
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { accountFor } from '../../db/embedded/place.ts'
import { provision } from '../../db/embedded/start.ts'
import { findProgram } from './external-programs.ts'
import { freePort } from './free-port.ts'

// `npm run db:schema` writes db/schema.sql: what the migrations add up to, for people to read. The npm package with
// the embedded PostgreSQL has no pg_dump, so this uses an installed PostgreSQL, whose pg_dump is of its own version.

const run = promisify(execFile)
const password = 'of-this-server'

/** A migrated database on a temporary server of the installed PostgreSQL, dumped by its pg_dump. */
export async function dumpSchema(): Promise<string> {
  const account = await accountFor(process.getuid?.())
  const folder = mkdtempSync(join(tmpdir(), 'schema-'))
  const program = (name: string, ...args: string[]) =>
    run(`${findProgram(name)}`, args, {
      ...account,
      cwd: folder,
      env: { PATH: process.env.PATH, PGPASSWORD: password },
    })
  const data = ['-D', join(folder, 'data')]
  try {
    writeFileSync(join(folder, 'password'), password)
    if (account.uid !== undefined)
      for (const path of [folder, join(folder, 'password')]) chownSync(path, account.uid, Number(account.gid))
    const access = ['--username=postgres', '--auth=scram-sha-256', `--pwfile=${join(folder, 'password')}`]
    await program('initdb', ...data, ...access, '--encoding=UTF8', '--locale=C.UTF-8', '--no-sync')
    const port = await freePort()
    const flags = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off`
    await program('pg_ctl', ...data, 'start', '--wait', `--options=${flags}`, `--log=${join(folder, 'log')}`)
    try {
      const url = (role: string, database: string) =>
        `postgres://${role}:${password}@127.0.0.1:${port}/${database}?sslmode=disable`
      await provision({
        superuserUrl: url('postgres', 'postgres'),
        migrationUrl: url('todo_owner', 'todo'),
        databaseUrl: url('todo_login', 'todo'),
      })
      const { stdout } = await program('pg_dump', '--schema-only', '--no-owner', url('postgres', 'todo'))
      return normalize(stdout)
    } finally {
      await program('pg_ctl', ...data, 'stop', '--mode=immediate')
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const HEADER = `-- What the migrations add up to, dumped by pg_dump: to be read, not run. Made by \`npm run db:schema\`.
`

/** Without what differs between two dumps of the same schema, and what tells a reader nothing. */
function normalize(dump: string): string {
  const text = dump
    .replaceAll(/^(--.*|SET .*;|SELECT pg_catalog\.set_config.*|\\(un)?restrict .*)\n/gm, '')
    .replaceAll(/^-- *$/gm, '')
    .replaceAll(/\n{3,}/g, '\n\n')
    .trim()
  return `${HEADER}\n${text}\n`
}

if (import.meta.url === `file://${process.argv[1]}`)
  writeFileSync(new URL('../../db/schema.sql', import.meta.url), await dumpSchema())
