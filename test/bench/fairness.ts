import { quantile } from './load.ts'
import { chart, judge, progress } from './report.ts'
import { type Database, startApi } from './service.ts'

const BATCHES = 15
const operations = Array.from({ length: 100 }, (_, n) => ({ op: 'create', todo: { title: `todo ${n}` } }))

/** Whether one user's flood of batches keeps another waiting: p99 of POST /todos, quiet and flooded in turns. */
export async function measureFairness(database: Database): Promise<void> {
  // With the bounds of production, not the benchmark's own patience.
  const { time, signUp, stop } = await startApi(database, 'api', { POOL_TIMEOUT_MS: '400' })
  const [flooding, other] = [await signUp('flood@example.com'), await signUp('other@example.com')]
  let refused = 0
  const measure = async (batches: number): Promise<number[]> => {
    const end = performance.now() + 4000
    const over = () => performance.now() > end
    const flood = Array.from({ length: batches }, async () => {
      while (!over()) await time('POST', '/todos/batch', { operations }, flooding)
    })
    const times: number[] = []
    while (!over()) {
      const { status, ms } = await time('POST', '/todos', { title: 'a' }, other)
      if (status !== 201) refused++
      times.push(ms)
    }
    await Promise.all(flood)
    return times
  }
  await measure(0)
  const [quiet, flooded] = [[] as number[], [] as number[]]
  for (let round = 1; round <= 3; round++) {
    progress(`one user's flood of batches, round ${round} of 3`)
    quiet.push(...(await measure(0)))
    flooded.push(...(await measure(BATCHES)))
  }
  await stop()
  const [a, b] = [quantile(quiet, 0.99), quantile(flooded, 0.99)]
  chart('fairness', 'p99 of POST /todos', 'milliseconds', { quiet: [a], "during another's batches": [b] })
  judge(
    `while one user keeps ${BATCHES} batches of 100 under way, another's POST /todos is never refused, and its p99 is under 400 ms`,
    refused === 0 && b < 400,
    `${b.toFixed(0)} ms of ${flooded.length}, quiet ${a.toFixed(0)} ms; ${refused} refused`,
  )
}
