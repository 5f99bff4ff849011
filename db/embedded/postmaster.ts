import { existsSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Account, run } from './program.ts'

/**
 * The process ID in a cluster's postmaster.pid, and the state of that server.
 * Process on the first line, state on the eighth (PostgreSQL source, pidfile.h).
 */
export function readPostmaster(data: string): { pid: number; state: string } | undefined {
  try {
    const lines = readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')
    return { pid: Number(lines[0]), state: `${lines[7]}`.trim() }
  } catch {
    return undefined
  }
}

/** Whether a process is the PostgreSQL server of this cluster, and not another one that got the ID of a dead server. */
export async function isPostmasterOf(data: string, pid: number): Promise<boolean> {
  try {
    // A server works in its cluster's folder. Linux tells by itself; ps may be missing in a container.
    if (existsSync('/proc/self/cwd')) return readlinkSync(`/proc/${pid}/cwd`) === data
    return (await run('ps', ['-o', 'args=', '-p', `${pid}`])).stdout.includes(data)
  } catch {
    return false
  }
}

/**
 * Stops the server that a killed service left running on a cluster. Only for the process that holds the lock of its
 * folder: then no service is using that server.
 * @returns the ID in a stale postmaster.pid that another process has by now; undefined when there is none
 */
export async function stopOrphan(data: string, pgCtl: string, account: Account): Promise<number | undefined> {
  const pid = readPostmaster(data)?.pid
  if (pid === undefined) return undefined
  if (!(pid > 0)) return removeEmpty(data)
  if (!(await isPostmasterOf(data, pid))) return pid
  const stop = (mode: string) =>
    run(pgCtl, ['stop', '--wait', `--mode=${mode}`, '-D', data], { ...account, cwd: dirname(data) })
  await stop('fast').catch(() => stop('immediate'))
  return undefined
}

/** A full disk or a kill can leave postmaster.pid empty, which no server accepts. One that is starting fills it at once. */
async function removeEmpty(data: string): Promise<undefined> {
  await sleep(500)
  if (!((readPostmaster(data)?.pid ?? 0) > 0)) rmSync(join(data, 'postmaster.pid'), { force: true })
}
