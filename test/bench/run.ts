import { cpus } from 'node:os'
import { type Service, withService } from './service.ts'

// Ratios, each measured side by side in one run: machines are shared and noisy, their absolute figures
// mean little. Ends with one line per target, and exit code 1 when one is missed.

const password = 'correct horse battery'
const todos = 20
let missed = 0

/** The value below which that share of the values lies. */
const quantile = (values: number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) * share)] ?? Number.NaN

function judge(target: string, reached: boolean, figures: string): void {
  if (!reached) missed++
  process.stdout.write(`${reached ? 'reached' : 'MISSED '}  ${target}: ${figures}\n`)
}

const progress = (text: string) => process.stderr.write(`… ${text}\n`)

/** Whether the time of a refused login tells that there is such a user: medians of both, taken in turns. */
async function enumeration({ ask, time }: Service): Promise<void> {
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
async function storm({ ask, time }: Service): Promise<void> {
  const email = 'storm@example.com'
  await ask('POST', '/register', { email, password })
  const { access_token: token } = await ask('POST', '/login', { email, password })
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

process.stdout.write(`${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}\n`)
progress('enumeration, at cost 10')
await withService({ BCRYPT_COST: '10' }, enumeration)
progress('storm, at cost 12')
await withService({ BCRYPT_COST: '12' }, storm)
process.exitCode = missed > 0 ? 1 : 0
