import { cpus } from 'node:os'
import { interleave, load, median, quantile } from './load.ts'
import { type Api, type Database, password, startApi, withDatabase } from './service.ts'

// Ratios, each measured side by side in one run: machines are shared and noisy, their absolute figures
// mean little. Ends with one line per target, and exit code 1 when one is missed.

const todos = 20
let missed = 0

function judge(target: string, reached: boolean, figures: string): void {
  if (!reached) missed++
  process.stdout.write(`${reached ? 'reached' : 'MISSED '}  ${target}: ${figures}\n`)
}

const progress = (text: string) => process.stderr.write(`… ${text}\n`)

/** Whether the time of a refused login tells that there is such a user: medians of both, taken in turns. */
async function enumeration({ ask, time }: Api): Promise<void> {
  await ask('POST', '/register', { email: 'known@example.com', password })
  const times: Record<'known' | 'unknown', number[]> = { known: [], unknown: [] }
  for (let n = 0; n < 205; n++)
    for (const who of ['known', 'unknown'] as const) {
      const email = who === 'known' ? 'known@example.com' : `unknown${n}@example.com`
      const { ms } = await time('POST', '/login', { email, password: 'not it at all' })
      // The first ones warm up.
      if (n >= 5) times[who].push(ms)
    }
  const [known, unknown] = [quantile(times.known, 0.5), quantile(times.unknown, 0.5)]
  const ratio = Math.max(known, unknown) / Math.min(known, unknown)
  judge(
    'a refused login takes the same time for known and unknown emails, within 10 %',
    ratio <= 1.1,
    `medians of 200 tries each: ${known.toFixed(1)} and ${unknown.toFixed(1)} ms, ratio ${ratio.toFixed(3)}`,
  )
}

/** Whether logins, whose hashes take a core, keep others waiting: p99 of GET /todos, quiet and stormy in turns. */
async function storm({ ask, time, signUp }: Api): Promise<void> {
  const email = 'storm@example.com'
  const token = await signUp(email)
  for (let n = 0; n < todos; n++) await ask('POST', '/todos', { title: `todo ${n}` }, token)
  const list = async (until: () => boolean, times: number[]) => {
    while (!until()) times.push((await time('GET', '/todos', undefined, token)).ms)
  }
  const measure = async (stormy: boolean): Promise<number[]> => {
    const end = performance.now() + 5000
    const over = () => performance.now() > end
    const times: number[] = []
    const logins = Array.from({ length: stormy ? 50 : 0 }, async () => {
      // A full queue refuses at once, and asks to come back in a second.
      while (!over())
        if ((await time('POST', '/login', { email, password })).status === 503)
          await new Promise((resolve) => setTimeout(resolve, 1000))
    })
    await Promise.all(Array.from({ length: 4 }, () => list(over, times)))
    await Promise.all(logins)
    return times
  }
  await measure(false)
  const [quiet, stormy] = [[] as number[], [] as number[]]
  for (let round = 1; round <= 3; round++) {
    progress(`storm, round ${round} of 3`)
    quiet.push(...(await measure(false)))
    stormy.push(...(await measure(true)))
  }
  const [a, b] = [quantile(quiet, 0.99), quantile(stormy, 0.99)]
  judge(
    'p99 of GET /todos during 50 concurrent logins at cost 12 is under 3 times the quiet p99',
    b < 3 * a,
    `${a.toFixed(1)} and ${b.toFixed(1)} ms, ratio ${(b / a).toFixed(2)}`,
  )
}

/**
 * What row-level security and its transaction cost: GET /todos as it is, with the bare query of the table's owner
 * in their place, and with the answer from memory, all behind the same hooks.
 */
async function tax(database: Database, api: Api): Promise<void> {
  const token = await api.signUp('tax@example.com')
  for (let n = 0; n < 100; n++) await api.ask('POST', '/todos', { title: `todo ${n}` }, token)
  const others = { bare: await startApi(database, 'bare'), memory: await startApi(database, 'memory') }
  const list = ({ url }: Api) => load(`${url}/todos?limit=20`, token)
  const rates = await interleave(5, {
    api: () => list(api),
    bare: () => list(others.bare),
    memory: () => list(others.memory),
  })
  await Promise.all([others.bare.stop(), others.memory.stop()])
  const told = Object.entries(rates).map(
    ([name, all]) =>
      `${name} ${median(all).toFixed(0)} (${Math.min(...all).toFixed(0)}–${Math.max(...all).toFixed(0)})`,
  )
  const [own = 0, bare = 0, memory = 0] = Object.values(rates).map(median)
  judge(
    'GET /todos has at least 0.75 of the throughput of the bare query',
    own >= 0.75 * bare,
    `requests/s, median and range of 5: ${told.join(', ')}; ratios ${(own / bare).toFixed(2)} and ${(own / memory).toFixed(2)}`,
  )
}

/** Runs a part against an API of its own. */
const withApi = (env: Record<string, string>, part: (api: Api, database: Database) => Promise<void>) =>
  withDatabase(async (database) => {
    const api = await startApi(database, 'api', env)
    try {
      await part(api, database)
    } finally {
      await api.stop()
    }
  })

process.stdout.write(`${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}\n`)
progress('the price of row-level security')
await withApi({}, (api, database) => tax(database, api))
progress('enumeration, at cost 10')
await withApi({ BCRYPT_COST: '10' }, enumeration)
progress('storm, at cost 12')
await withApi({ BCRYPT_COST: '12' }, storm)
process.exitCode = missed > 0 ? 1 : 0
