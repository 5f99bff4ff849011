import type { Test } from 'tap'
import { startProgram } from './external-programs.ts'
import { freePort } from './free-port.ts'

/** PgBouncer in transaction mode before a database: how to reach it. */
export async function startPooler(t: Test, url: string): Promise<string> {
  const { username, password, hostname, port: upstream } = new URL(url)
  const port = await freePort()
  await startProgram(t, 'pgbouncer', port, ['%/pgbouncer.ini'], {
    'users.txt': `"${username}" "${decodeURIComponent(password)}"\n`,
    'pgbouncer.ini': `
[databases]
* = host=${hostname} port=${upstream}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = %/users.txt
pool_mode = transaction
default_pool_size = 4
ignore_startup_parameters = statement_timeout,lock_timeout,idle_in_transaction_session_timeout
`,
  })
  return Object.assign(new URL(url), { port: String(port) }).href
}
