import { median, quantile } from './load.ts'
import { chart, judge, progress } from './report.ts'
import { type Api, type Database, password, startApi } from './service.ts'

/** Whether the time of a refused login tells that there is such a user: medians of both, taken in turns. */
export async function measureEnumeration(database: Database): Promise<void> {
  progress('refused logins, at cost 10')
  const { ask, time, stop } = await startApi(database)
  await ask('POST', '/register', { email: 'known@example.com', password })
  const times: Record<'known' | 'unknown', number[]> = { known: [], unknown: [] }
  for (let n = 0; n < 105; n++)
    for (const who of ['known', 'unknown'] as const) {
      const email = who === 'known' ? 'known@example.com' : `unknown${n}@example.com`
      const { ms } = await time('POST', '/login', { email, password: 'not it at all' })
      // The first ones warm up.
      if (n >= 5) times[who].push(ms)
    }
  await stop()
  const [known, unknown] = [median(times.known), median(times.unknown)]
  const ratio = Math.max(known, unknown) / Math.min(known, unknown)
  judge(
    'a refused login takes the same time for known and unknown emails, within 10 %',
    ratio <= 1.1,
    `${ratio.toFixed(3)}: medians of 100 each are ${known.toFixed(1)} and ${unknown.toFixed(1)} ms`,
  )
}

/** Whether logins, whose hashes take a core, keep others waiting: p99 of GET /todos, quiet and stormy in turns. */
export async function measureStorm(database: Database): Promise<void> {
  const { ask, time, signUp, stop } = await startApi(database, 'api', { BCRYPT_COST: '12' })
  const email = 'storm@example.com'
  const token = await signUp(email)
  for (let n = 0; n < 20; n++) await ask('POST', '/todos', { title: `todo ${n}` }, token)
  const measure = async (logins: number): Promise<number[]> => {
    const end = performance.now() + 4000
    const over = () => performance.now() > end
    const times: number[] = []
    const readers = Array.from({ length: 4 }, async () => {
      while (!over()) times.push((await time('GET', '/todos', undefined, token)).ms)
    })
    const storm = Array.from({ length: logins }, () => logInUntil(over, time, email))
    await Promise.all([...readers, ...storm])
    return times
  }
  await measure(0)
  const [quiet, stormy] = [[] as number[], [] as number[]]
  for (let round = 1; round <= 3; round++) {
    progress(`a storm of logins, at cost 12, round ${round} of 3`)
    quiet.push(...(await measure(0)))
    stormy.push(...(await measure(50)))
  }
  await stop()
  const [a, b] = [quantile(quiet, 0.99), quantile(stormy, 0.99)]
  chart('storm', 'p99 of GET /todos', 'milliseconds', { quiet: [a], 'during 50 logins': [b] })
  judge(
    'p99 of GET /todos during 50 concurrent logins is under 3 times the quiet p99',
    b < 3 * a,
    `${(b / a).toFixed(2)}: ${b.toFixed(1)} and ${a.toFixed(1)} ms`,
  )
}

async function logInUntil(over: () => boolean, time: Api['time'], email: string): Promise<void> {
  // A full queue refuses at once, and asks to come back in a second.
  while (!over())
    if ((await time('POST', '/login', { email, password })).status === 503)
      await new Promise((resolve) => setTimeout(resolve, 1000))
}
