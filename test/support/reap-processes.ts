import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'

// A process that a test started carries this variable, as all that it starts does: even when the test file is killed
// or times out, and whatever process group the process is in.
const MARK = 'TEST_RUN_ID'

/** The processes of a run that are still there. Only Linux tells; elsewhere none is found. */
export function findProcesses(id: string): number[] {
  const wanted = `${MARK}=${id}`
  return listProcesses().filter((pid) => {
    if (pid === process.pid) return false
    try {
      return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(wanted)
    } catch {
      return false
    }
  })
}

function listProcesses(): number[] {
  try {
    return readdirSync('/proc').map(Number).filter(Boolean)
  } catch {
    return []
  }
}

/**
 * Runs a Node program to its end, and then kills every process that it left behind.
 * @param onStart called with the process
 * @returns its exit code, and how many processes were left
 */
export async function runAndReap(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  onStart: (child: ChildProcess) => void = () => {},
  stdio: 'inherit' | 'ignore' = 'inherit',
): Promise<{ code: number; left: number; id: string }> {
  const id = randomUUID()
  const child = spawn(process.execPath, args, { stdio, env: { ...env, [MARK]: id } })
  onStart(child)
  const [code] = await once(child, 'exit')
  const left = new Set<number>()
  // Again, because one of them may have started another meanwhile.
  for (let found = findProcesses(id); found.length > 0; found = findProcesses(id)) {
    for (const pid of found) {
      left.add(pid)
      kill(pid)
    }
  }
  return { code: code ?? 1, left: left.size, id }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended by itself.
  }
}
