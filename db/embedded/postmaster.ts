import { existsSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Account, runProgram } from './program.ts'

/** Reads the server's process ID and state: lines 1 and 8 of postmaster.pid (PostgreSQL source, pidfile.h). */
export function readPostmaster(data: string): { pid: number; state: string } | undefined {
  try {
    const lines = readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')
    return { pid: Number(lines[0]), state: `${lines[7]}`.trim() }
  } catch {
    return undefined
  }
}

/** Whether a process is the PostgreSQL server of this cluster, and not another one with a reused ID. */
export async function isPostmasterOf(data: string, pid: number): Promise<boolean> {
  try {
    // The server's working directory is the cluster. On Linux /proc shows it; containers may lack ps.
    if (existsSync('/proc/self/cwd')) return readlinkSync(`/proc/${pid}/cwd`) === data
    return (await runProgram('ps', ['-o', 'args=', '-p', `${pid}`])).stdout.includes(data)
  } catch {
    return false
  }
}

/**
 * Stops the server that a killed service left running. The caller must hold the lock of the data folder, so that no
 * service uses this server.
 * @returns the process ID in a stale postmaster.pid, if it is in use by another program; otherwise undefined
 */
export async function stopOrphan(data: string, pgCtl: string, account: Account): Promise<number | undefined> {
  const pid = readPostmaster(data)?.pid
  if (pid === undefined) return undefined
  if (!(pid > 0)) return removeEmptyPidFile(data)
  if (!(await isPostmasterOf(data, pid))) return pid
  const stop = (mode: string) =>
    runProgram(pgCtl, ['stop', '--wait', `--mode=${mode}`, '-D', data], { ...account, cwd: dirname(data) })
  await stop('fast').catch(() => stop('immediate'))
  return undefined
}

/** Deletes an empty postmaster.pid, which a full disk or a kill can leave; a starting server fills it immediately. */
async function removeEmptyPidFile(data: string): Promise<undefined> {
  await sleep(500)
  if (!((readPostmaster(data)?.pid ?? 0) > 0)) rmSync(join(data, 'postmaster.pid'), { force: true })
}
