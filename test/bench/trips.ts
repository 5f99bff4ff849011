import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { importBuild } from './build.ts'
import { quantile } from './load.ts'
import { chart, judge, progress } from './report.ts'
import { type Database, environment, startApi } from './service.ts'

const DELAYS_MS = [0, 1, 5, 20]
const SAMPLES = 15

/** A TCP proxy before the database that holds back what the server says for some milliseconds. */
async function startDelay(databaseUrl: string) {
  const { hostname, port } = new URL(databaseUrl)
  const delay = { ms: 0 }
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const database = connect({ host: hostname, port: Number(port), noDelay: true })
    client.setNoDelay().pipe(database)
    database.on('data', (data) => setTimeout(() => client.write(data), delay.ms))
    for (const socket of [client, database]) {
      sockets.add(socket)
      socket.on('error', () => {}).on('close', () => [client, database].forEach((end) => void end.destroy()))
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = Object.assign(new URL(databaseUrl), { port: (server.address() as AddressInfo).port }).href
  const stop = () => {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
  return { url, delay, stop }
}

/** What else the machine does only ever makes a request slower. */
const quietest = (times: number[]) => quantile(times, 0.1)

/** Least squares. */
function slopeOf(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (values: number[]) => values.reduce((a, b) => a + b) / values.length
  const [x, y] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))]
  const over = points.map(([px, py]) => (px - x) * (py - y)).reduce((a, b) => a + b)
  return over / points.map(([px]) => (px - x) ** 2).reduce((a, b) => a + b)
}

/**
 * How many round trips to the database a request waits for: the slope of its latency over that of one statement
 * alone, sent through the same proxy, when that is made slower.
 */
export async function measureTrips(database: Database): Promise<void> {
  progress('round trips')
  const proxy = await startDelay(database.databaseUrl)
  const { createDatabase } =
    await importBuild<typeof import('../../src/database/database.ts')>('database/database')
  const { loadConfig } = await importBuild<typeof import('../../src/config.ts')>('config')
  const alone = createDatabase(
    loadConfig({ ...environment(database), DATABASE_URL: proxy.url, DATABASE_POOL_SIZE: '1' }),
  )
  const api = await startApi({ ...database, databaseUrl: proxy.url })
  const token = await api.signUp('trips@example.com')
  const newTodo = async () => `/todos/${(await api.ask('POST', '/todos', { title: 'a todo' }, token)).id}`
  const todo = await newTodo()
  const routes: Record<string, () => Promise<[method: string, path: string, body?: object]>> = {
    'GET /todos': async () => ['GET', '/todos'],
    'GET /todos/{id}': async () => ['GET', todo],
    'GET /me': async () => ['GET', '/me'],
    'GET /me/sessions': async () => ['GET', '/me/sessions'],
    'GET /me/events': async () => ['GET', '/me/events'],
    'GET /tokens': async () => ['GET', '/tokens'],
    'POST /todos': async () => ['POST', '/todos', { title: 'a todo' }],
    'PATCH /todos/{id}': async () => ['PATCH', todo, { title: 'changed' }],
    'DELETE /todos/{id}': async () => ['DELETE', await newTodo()],
    'POST /tokens': async () => ['POST', '/tokens', { name: 'a token', scopes: ['todos:read'] }],
  }
  // Nothing here may fall asleep while the proxy holds an answer back: waking up takes longer the longer it was.
  let over = false
  const awake = (async () => {
    while (!over) await api.time('GET', '/health')
  })()
  const points: Record<string, [number, number][]> = {}
  for (const ms of DELAYS_MS) {
    proxy.delay.ms = ms
    const one: number[] = []
    const times: Record<string, number[]> = {}
    for (let n = 0; n < SAMPLES; n++) {
      const start = performance.now()
      await alone.withoutUser((tx) => tx`select 1`)
      one.push(performance.now() - start)
      for (const [name, request] of Object.entries(routes)) {
        const [method, path, body] = await request()
        const answer = await api.time(method, path, body, token)
        if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status}`)
        times[name] = [...(times[name] ?? []), answer.ms]
      }
    }
    for (const [name, all] of Object.entries(times))
      points[name] = [...(points[name] ?? []), [quietest(one), quietest(all)]]
  }
  over = true
  await awake
  await Promise.all([alone.close(), api.stop()])
  proxy.stop()
  const slopes = Object.entries(points).map(([name, measured]) => [name, slopeOf(measured)] as const)
  chart(
    'trips',
    'Round trips to the database',
    'round trips per request',
    Object.fromEntries(slopes.map(([name, slope]) => [name, [slope]])),
  )
  judge(
    'every request of one statement waits for one round trip',
    slopes.every(([, slope]) => Math.abs(slope - 1) < 0.1),
    `slopes from ${Math.min(...slopes.map(([, slope]) => slope)).toFixed(2)} to ${Math.max(...slopes.map(([, slope]) => slope)).toFixed(2)}`,
  )
}
