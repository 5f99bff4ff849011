import { execFile } from 'node:child_process'
import { chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { accountFor } from '../../db/embedded/place.ts'
import { makeCertificate } from './certificate.ts'
import { findProgram } from './external-programs.ts'
import { freePort } from './free-port.ts'

const run = promisify(execFile)
/** Of every role of such a server. */
export const rolePassword = 'of-this-test'

/**
 * Starts the PostgreSQL that is installed on this machine, on a new cluster.
 * @param tls whether it takes connections with TLS only
 * @returns URLs, and how to run commands there as its superuser
 */
export async function startOwnServer(t: Test, { tls = false } = {}) {
  const account = await accountFor(process.getuid?.())
  const folder = mkdtempSync(join(tmpdir(), 'own-server-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const file = (name: string) => join(folder, name)
  writeFileSync(file('password'), rolePassword)
  const files = tls ? makeCertificate(folder) : undefined
  if (account.uid !== undefined)
    for (const path of [folder, file('password'), ...Object.values(files ?? {})])
      chownSync(path, account.uid, Number(account.gid))
  const access = ['--username=postgres', '--auth=scram-sha-256', `--pwfile=${file('password')}`]
  const locale = ['--encoding=UTF8', '--locale=C.UTF-8', '--no-sync']
  const program = (name: string, ...args: string[]) =>
    run(`${findProgram(name)}`, [`--pgdata=${file('data')}`, ...args], { ...account, cwd: folder })
  await program('initdb', ...access, ...locale)
  const port = await freePort()
  const settings = [`port=${port}`, 'listen_addresses=localhost', 'unix_socket_directories=', 'fsync=off']
  if (files) {
    settings.push('ssl=on', `ssl_cert_file=${files.certificate}`, `ssl_key_file=${files.key}`)
    const rules = file('data/pg_hba.conf')
    writeFileSync(rules, readFileSync(rules, 'utf8').replaceAll(/^host /gm, 'hostssl '))
  }
  const flags = settings.map((setting) => `-c ${setting}`).join(' ')
  await program('pg_ctl', 'start', '--wait', `--options=${flags}`, `--log=${file('log')}`)
  t.teardown(() => program('pg_ctl', 'stop', '--mode=immediate'))
  const search = files ? `sslmode=verify-full&sslrootcert=${files.certificate}` : 'sslmode=disable'
  const url = (role: string, database: string) =>
    `postgres://${role}:${rolePassword}@localhost:${port}/${database}?${search}`
  const env = {
    ...process.env,
    PATH: `${dirname(`${findProgram('initdb')}`)}:${process.env.PATH}`,
    PGHOST: 'localhost',
    PGPORT: String(port),
    PGUSER: 'postgres',
    PGPASSWORD: rolePassword,
  }
  return {
    superuserUrl: url('postgres', 'postgres'),
    adminUrl: url('postgres', 'todo'),
    migrationUrl: url('todo_owner', 'todo'),
    databaseUrl: url('todo_login', 'todo'),
    shell: (commands: string, cwd: string) => run('sh', ['-ec', commands], { env, cwd }),
  }
}
