import { measureFairness } from './fairness.ts'
import { measureGrowth } from './growth.ts'
import { measureLists } from './lists.ts'
import { measureEnumeration, measureStorm } from './logins.ts'
import { measureMemory, measureStart } from './memory.ts'
import { conclude, publish } from './report.ts'
import { measureSeal } from './seal.ts'
import { withDatabase } from './service.ts'
import { measureStalls } from './stalls.ts'
import { measureSync } from './sync.ts'
import { measureProcesses, measureTax } from './throughput.ts'
import { measureTrips } from './trips.ts'
import { measureWrites } from './writes.ts'

// Ratios, each measured side by side in one run: machines are shared and noisy, their absolute figures
// mean little. Ends with one line per target, and exit code 1 when one is missed.

const parts = {
  tax: measureTax,
  seal: measureSeal,
  trips: measureTrips,
  processes: measureProcesses,
  start: measureStart,
  memory: measureMemory,
  enumeration: measureEnumeration,
  storm: measureStorm,
  fairness: measureFairness,
  growth: measureGrowth,
  lists: measureLists,
  writes: measureWrites,
  sync: measureSync,
  stalls: measureStalls,
}
const asked = process.argv.slice(2)
await withDatabase(async (database) => {
  for (const [name, measure] of Object.entries(parts))
    if (asked.length === 0 || asked.includes(name)) await measure(database)
})
// Parts of it are nothing to show.
if (asked.length === 0) publish()
conclude()
