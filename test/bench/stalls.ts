import { request } from 'node:http'
import { type Attack, attacks, type Document } from './attacks.ts'
import { importBuild } from './build.ts'
import { judge, progress } from './report.ts'
import { type Database, startApi } from './service.ts'

const TARGET_MS = 50

/** Sends the worst requests to every route, one after the other, and judges how long the event loop stood still. */
export async function measureStalls(database: Database): Promise<void> {
  const { createSecret, writeToken } =
    await importBuild<typeof import('../../src/credentials/opaque-tokens.ts')>('credentials/opaque-tokens')
  const api = await startApi(database, 'api', {
    TRUST_PROXY: '127.0.0.1',
    CORS_ORIGINS: 'https://example.com',
  })
  const token = await api.signUp('stalls@example.com')
  const madeUp = writeToken('access', '0198f2c4-7d1a-7c3e-9f55-0d6a4f0b1c2d', createSecret())
  const document = (await api.ask('GET', '/docs/json')) as unknown as Document
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => [method, path] as const),
  )
  // What ends the session comes without a good token.
  const isDestructive = (method: string, path: string) =>
    path === '/logout' || (method === 'delete' && path === '/me')
  const worst: { name: string; ms: number }[] = []
  const statuses: Record<number, number> = {}
  async function stallOf(attack: Attack): Promise<number> {
    await api.stall()
    const status = await send(api.url, attack)
    statuses[status] = (statuses[status] ?? 0) + 1
    return api.stall()
  }
  /** The machine stalls too, now and then: the least of some attempts is the request's own. */
  async function judged(attack: Attack): Promise<void> {
    let ms = await stallOf(attack)
    for (let n = 0; n < 4 && ms > TARGET_MS / 5; n++) ms = Math.min(ms, await stallOf(attack))
    worst.push({ name: attack.name, ms })
  }

  for (const credential of [token, madeUp])
    for (const [method, path] of operations) {
      if (credential === token && isDestructive(method, path)) continue
      progress(`stalls, ${method.toUpperCase()} ${path}`)
      for (const attack of attacks(document, method, path, credential)) await judged(attack)
    }
  tell(worst, 'no request of any size that is let in stops the event loop for more than', !statuses[500])
  worst.length = 0
  progress('stalls, the largest answers')
  for (const attack of await fillUp(api, token)) await judged(attack)
  tell(worst, 'no answer of any size stops the event loop for more than')
  await api.stop()
}

function tell(worst: { name: string; ms: number }[], target: string, isRight = true): void {
  worst.sort((a, b) => b.ms - a.ms)
  for (const { name, ms } of worst.slice(0, 10))
    process.stderr.write(`  ${ms.toFixed(1)} ms  ${name.slice(0, 150)}\n`)
  const [longest = { name: '', ms: Number.NaN }] = worst
  const figures = `${longest.ms.toFixed(1)} ms is the longest of ${worst.length} requests`
  judge(`${target} ${TARGET_MS} ms`, isRight && longest.ms <= TARGET_MS, figures)
}

/** Todos as large as they can be, and the requests that read them all. */
async function fillUp(api: Awaited<ReturnType<typeof startApi>>, token: string): Promise<Attack[]> {
  const notes = '\u0001🌱'.repeat(5000)
  const todo = { title: '🌱'.repeat(200), notes, tags: Array(20).fill('"'.repeat(50)) }
  for (let n = 0; n < 100; n++) await api.ask('POST', '/todos', todo, token)
  return [
    '/todos?limit=100',
    '/todos?limit=100&sort=title&count=exact',
    '/me/export',
    '/docs/json',
    '/docs/yaml',
  ].map((path) => ({
    name: `GET ${path}`,
    method: 'GET',
    path,
    headers: { authorization: `Bearer ${token}` },
  }))
}

/** Sends a request as it is; fetch would refuse some headers. */
function send(url: string, { method, path, headers, body }: Attack): Promise<number> {
  return new Promise((resolve) => {
    const sent = request(new URL(url), { method, path, headers: headers ?? {}, agent: false }, (answer) => {
      answer.resume().once('close', () => resolve(answer.statusCode ?? 0))
    })
    // Cut off when the server refuses before it has read all.
    sent.once('error', () => resolve(0))
    sent.end(body)
  })
}
