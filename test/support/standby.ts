import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import postgres from 'postgres'
import type { Test } from 'tap'
import { childEnvironment } from '../../db/child-environment.ts'
import { accountFor, give, placePrograms, reaches } from '../../db/embedded/place.ts'
import { freePort } from './free-port.ts'
import { until } from './until.ts'

/**
 * Starts a standby on a copy of a stopped cluster.
 * @param data the data folder of the cluster; the copy is made beside it
 * @param superuserUrl of the cluster
 * @returns the port, and how to promote the standby, as after the loss of the primary
 */
export async function startStandby(t: Test, data: string, superuserUrl: string) {
  const account = await accountFor(process.getuid?.(), dirname(data))
  const home = `${dirname(data)}-standby`
  mkdirSync(home)
  execFileSync('cp', ['-a', data, home])
  const copy = join(home, 'data')
  writeFileSync(join(copy, 'standby.signal'), '')
  for (const path of [home, join(copy, 'standby.signal')]) give(path, account)
  const programs = await placePrograms(account, { refuge: '/var/lib/todo-api', reaches })
  const port = await freePort()
  const flags = [`port=${port}`, 'listen_addresses=127.0.0.1', 'unix_socket_directories=', 'fsync=off']
  const server = spawn(programs.postgres, ['-D', copy, ...flags.flatMap((flag) => ['-c', flag])], {
    ...account,
    cwd: home,
    stdio: 'ignore',
    env: childEnvironment(),
  })
  const ended = once(server, 'exit')
  const sql = postgres(Object.assign(new URL(superuserUrl), { port: `${port}` }).href, {
    max: 1,
    onnotice: () => {},
  })
  t.teardown(async () => {
    await sql.end({ timeout: 1 })
    server.kill('SIGINT')
    await ended
    rmSync(home, { recursive: true })
  })
  await until('the standby serves reads', () =>
    sql`select pg_is_in_recovery()`.then(
      ([row]) => row?.pg_is_in_recovery,
      () => false,
    ),
  )
  return { port: `${port}`, promote: () => sql`select pg_promote()` }
}
