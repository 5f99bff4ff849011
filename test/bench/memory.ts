import { execFile, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { freePort } from '../support/free-port.ts'
import { load, median, tell } from './load.ts'
import { chart, judge, progress } from './report.ts'
import { type Database, environment, startApi } from './service.ts'

const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: { start: string } }
const [, ...command] = scripts.start.split(' ')

/** The command of `npm start`, and of the container, until it is ready. */
export async function startServer(database: Database, env: Record<string, string> = {}) {
  const port = await freePort()
  const start = performance.now()
  const child = spawn(process.execPath, command, {
    stdio: 'ignore',
    env: { ...environment(database), NODE_ENV: 'production', PORT: String(port), ...env },
  })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const url = `http://127.0.0.1:${port}`
  while (!(await fetch(`${url}/ready`).catch(() => undefined))?.ok) {
    if (child.exitCode !== null) throw new Error('The server did not start.')
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  const ms = performance.now() - start
  const stop = async () => {
    child.kill('SIGTERM')
    await ended
  }
  return { url, ms, pid: child.pid, stop }
}

export async function measureStart(database: Database): Promise<void> {
  progress('start-up')
  const times: number[] = []
  for (let n = 0; n < 7; n++) {
    const { ms, stop } = await startServer(database)
    times.push(ms)
    await stop()
  }
  judge('it starts in less than 600 ms', median(times) < 600, `${tell(times)} ms until /ready is 200`)
}

/** Resident memory after 20,000 requests and after 200,000; each the median of what was seen during the 20,000 before. */
export async function measureMemory(database: Database): Promise<void> {
  const other = await startApi(database)
  const token = await other.signUp('memory@example.com')
  await other.ask('POST', '/todos', { title: 'the only one' }, token)
  await other.stop()
  const { url, pid, stop } = await startServer(database)
  const megabytes = async () => {
    const { stdout } = await promisify(execFile)('ps', ['-o', 'rss=', '-p', String(pid)])
    return Number(stdout) / 1024
  }
  const sizes: Record<string, number[]> = {}
  for (let thousand = 20; thousand <= 200; thousand += 20) {
    progress(`memory, ${thousand},000 of 200,000 requests`)
    const seen: number[] = []
    const look = setInterval(async () => void seen.push(await megabytes()), 200)
    await load({ url: `${url}/todos`, token }, { connections: 16, amount: 20_000 })
    clearInterval(look)
    sizes[`${thousand},000 requests`] = seen
  }
  await stop()
  chart('memory', 'Resident memory after that many requests', 'MB', sizes)
  const [first = Number.NaN, last = Number.NaN] = [Object.values(sizes)[0], Object.values(sizes).at(-1)].map(
    (seen) => median(seen ?? []),
  )
  judge(
    'resident memory after 200,000 requests is within 10 % of that after 20,000, and under 150 MB',
    last <= 1.1 * first && last < 150,
    `${(last / first).toFixed(2)}: ${last.toFixed(0)} and ${first.toFixed(0)} MB`,
  )
}
