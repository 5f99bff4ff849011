import { readFileSync, writeFileSync } from 'node:fs'
import { packageInfo } from '../../../src/config.ts'
import { drawChart } from '../chart.ts'
import { load, median, type Rounds, tell } from '../load.ts'
import { machine, progress, showOnPage } from '../report.ts'
import { startApi, withDatabase } from '../service.ts'
import { type Lane, startPeers } from './start.ts'

// Races GET /todos?limit=20 of this API against what people would otherwise use, on one PostgreSQL, in alternating
// rounds. The CPU time of a request is the steadier figure on a shared machine.

const ROUNDS = 5
const REQUESTS = 6000
const CONNECTIONS = 32
/** Microseconds in a tick of /proc/PID/stat. */
const TICK = 10_000

/** The CPU time of a process so far, in microseconds (proc(5)). */
function readCpu(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) * TICK
}

async function measure(lanes: readonly Lane[]): Promise<{ rates: Rounds; cpu: Rounds }> {
  const [rates, cpu]: [Rounds, Rounds] = [{}, {}]
  // The first round warms up.
  for (let round = 0; round <= ROUNDS; round++) {
    progress(`peers, round ${round} of ${ROUNDS}`)
    for (const { name, url, token, pid } of lanes) {
      const before = readCpu(pid)
      const rate = await load({ url, token }, { connections: CONNECTIONS, amount: REQUESTS })
      if (round === 0) continue
      rates[name] = [...(rates[name] ?? []), rate]
      cpu[name] = [...(cpu[name] ?? []), (readCpu(pid) - before) / REQUESTS]
    }
  }
  return { rates, cpu }
}

function show(rates: Rounds, cpu: Rounds): string {
  const [own = ''] = Object.keys(rates)
  const ratio = (rounds: Rounds, name: string) =>
    (median(rounds[own] ?? []) / median(rounds[name] ?? [])).toFixed(2)
  const rows = Object.keys(rates).map(
    (name) =>
      `| ${name} | ${tell(rates[name] ?? [])} | ${ratio(rates, name)} | ${tell(cpu[name] ?? [])} | ${ratio(cpu, name)} |`,
  )
  return `
On ${machine}, ${new Date().toISOString().slice(0, 10)}:

| | requests/s | this API / it | µs of CPU per request | this API / it |
|---|---|---|---|---|
${rows.join('\n')}

<img src="bench-peers.svg" alt="CPU time per request of GET /todos?limit=20 for this API and its peers" width="680">

`
}

if (process.platform !== 'linux')
  progress('skipped: the CPU time of a process is read from /proc, on Linux only')
else
  await withDatabase(async (database) => {
    const api = await startApi(database)
    const token = await api.signUp('race@example.com')
    for (let n = 0; n < 100; n++) await api.ask('POST', '/todos', { title: `todo number ${n}` }, token)
    const own = {
      name: `this API ${packageInfo.version}`,
      url: `${api.url}/todos?limit=20`,
      token,
      pid: api.pid,
    }
    const lanes = [{ ...own, stop: api.stop }, ...(await startPeers(database))]
    try {
      const { rates, cpu } = await measure(lanes)
      const table = show(rates, cpu)
      process.stdout.write(table)
      if (lanes.length === 1) return
      showOnPage('peers', table)
      const svg = drawChart('GET /todos?limit=20', 'µs of CPU per request', cpu)
      writeFileSync(new URL('../../../docs/bench-peers.svg', import.meta.url), svg)
    } finally {
      await Promise.all(lanes.map((lane) => lane.stop()))
    }
  })
