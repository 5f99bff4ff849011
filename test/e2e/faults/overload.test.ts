import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import autocannon from 'autocannon'
import t, { type Test } from 'tap'
import { createApp, signUp } from '../../support/app.ts'
import { cloneDatabase } from '../../support/clone-database.ts'
import { defaultBounds, JWT_SECRET, start } from '../../support/service-process.ts'
import { until } from '../../support/until.ts'

// The production build as a process, which gets far more than it can do.

const MEGABYTE = 1024

async function setUp(t: Test, env: Record<string, string>) {
  const database = await cloneDatabase(t)
  const { token } = await signUp(await createApp(t, database))
  const { server, ready } = start(t, {
    DATABASE_URL: database.url,
    JWT_SECRET,
    HOST: '127.0.0.1',
    ...defaultBounds,
    ...env,
  })
  const api = await ready()
  const authorization = `Bearer ${token}`
  return {
    database,
    ask: (path: string) => fetch(api + path, { headers: { authorization } }),
    /** Resident memory. */
    kilobytes: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]),
    /** Sends reads and writes for some seconds. */
    load: (seconds: number, options: { connections: number; overallRate?: number }) =>
      loadWith(api, authorization, seconds, options),
  }
}
type Scene = Awaited<ReturnType<typeof setUp>>

async function loadWith(
  url: string,
  authorization: string,
  duration: number,
  options: { connections: number; overallRate?: number },
) {
  const seen = { accepted: 0, refused: 0, longest: 0, strange: [] as string[] }
  const judge = (status: number, body: string, _context: object, headers = {}) => {
    const problem = status === 503 && JSON.parse(body)
    const told = /overloaded|unavailable/.test(problem.code) && 'retry-after' in headers
    if (status === 200 || status === 201) seen.accepted++
    else if (told) seen.refused++
    else seen.strange.push(`${status} ${body}`)
  }
  const headers = { authorization, 'content-type': 'application/json' }
  const result = await autocannon({
    url,
    duration,
    ...options,
    timeout: 30,
    requests: [
      { method: 'GET', path: '/todos', headers, onResponse: judge },
      {
        method: 'POST',
        path: '/todos',
        headers,
        body: JSON.stringify({ title: 'one of many' }),
        onResponse: judge,
      },
    ],
    setupClient: (client) =>
      client.on('response', (status, _bytes, ms) => {
        if (status < 300) seen.longest = Math.max(seen.longest, ms)
      }),
  })
  return { ...seen, rate: seen.accepted / result.duration, errors: result.errors }
}

/** What is asked while the load is on: whether it is alive, and its memory. */
async function watch({ ask, kilobytes }: Scene, load: Promise<unknown>) {
  let over = false
  const ended = load.finally(() => {
    over = true
  })
  const statuses = new Set<number>()
  let most = 0
  while (!over) {
    statuses.add((await ask('/health')).status)
    most = Math.max(most, kilobytes())
    await sleep(50)
  }
  await ended
  return { alive: [...statuses], most }
}

/** Milliseconds until a request is answered with 200. */
async function recover({ ask }: Scene): Promise<number> {
  const start = performance.now()
  await until('a read succeeds', async () => (await ask('/todos')).status === 200)
  return performance.now() - start
}

async function withstand(t: Test, scene: Scene, load: ReturnType<Scene['load']>) {
  const before = scene.kilobytes()
  const { alive, most } = await watch(scene, load)
  const back = await recover(scene)
  const { accepted, refused, longest, strange, errors } = await load
  t.comment(
    `${accepted} accepted, the longest in ${Math.round(longest)} ms, ${refused} refused; ` +
      `${Math.round(most / MEGABYTE)} MB, ${Math.round(before / MEGABYTE)} MB before; ${Math.round(back)} ms until it worked`,
  )
  t.same([...new Set(strange)], [], 'every answer is a success, or 503 with Retry-After')
  t.equal(errors, 0, 'there is one to every request')
  t.ok(refused > 0, 'it was too much')
  t.ok(accepted > 0)
  t.ok(longest < 8000, 'no answer took long')
  t.ok(most < before + 200 * MEGABYTE, 'memory is bounded')
  t.same(alive, [200], 'it is alive throughout')
  t.ok(back < 2000, 'it works again at once')
}

t.test('does as much as it can when it gets ten times of that, and refuses the rest', async (t) => {
  const scene = await setUp(t, { DATABASE_POOL_SIZE: '4' })
  // A write is slow, so that neither this process nor the machine is what cannot do more.
  await scene.database.admin.unsafe(`
    create function slow() returns trigger language plpgsql as 'begin perform pg_sleep(0.1); return new; end';
    create trigger slow before insert on todos for each row execute function slow()`)
  const capacity = await scene.load(3, { connections: 8 })
  const load = scene.load(5, { connections: 400, overallRate: Math.round(capacity.rate * 10) })
  await withstand(t, scene, load)
  const { rate } = await load
  t.comment(`${Math.round(capacity.rate)} a second alone, ${Math.round(rate)} then`)
  t.ok(rate > capacity.rate / 4, 'it does not collapse')
})

t.test('withstands five hundred clients that never wait', async (t) => {
  const scene = await setUp(t, { POOL_QUEUE_LIMIT: '300' })
  await withstand(t, scene, scene.load(5, { connections: 500 }))
})
