import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import t from 'tap'
import { createApp, signUp } from '../../support/app.ts'
import { cloneDatabase } from '../../support/clone-database.ts'
import { JWT_SECRET, start } from '../../support/service-process.ts'
import { until } from '../../support/until.ts'

const IDLE = 10_000
const MORE = 200
/** How many are being opened at a time. */
const AT_ONCE = 200
const MEGABYTE = 1024

t.test('holds ten thousand idle connections, and no more than it may', async (t) => {
  const database = await cloneDatabase(t)
  const { token } = await signUp(await createApp(t, database))
  const { server, ready } = start(t, {
    DATABASE_URL: database.url,
    JWT_SECRET,
    HOST: '127.0.0.1',
    MAX_CONNECTIONS: `${IDLE + MORE / 2}`,
    KEEP_ALIVE_TIMEOUT_MS: '600000',
  })
  const api = await ready()
  const kilobytes = () =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1])
  const before = kilobytes()
  const sockets: Socket[] = []
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
  })
  /** Asks once on a connection of its own, and stays: whether there was an answer. */
  const settle = () =>
    new Promise<boolean>((resolve) => {
      const socket = connect(Number(new URL(api).port), '127.0.0.1')
      sockets.push(socket)
      socket.on('error', () => {}).on('close', () => resolve(false))
      socket.on('data', (data) => resolve(String(data).startsWith('HTTP/1.1 200 ')))
      socket.write('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n')
    })
  const settleMany = async (count: number) => {
    let answered = 0
    for (let n = 0; n < count; n += AT_ONCE)
      answered += (await Promise.all(Array.from({ length: AT_ONCE }, settle))).filter(Boolean).length
    return answered
  }
  const ask = () => fetch(`${api}/todos`, { headers: { authorization: `Bearer ${token}` } })
  t.equal((await ask()).status, 200)
  t.equal(await settleMany(IDLE), IDLE)
  const grown = kilobytes() - before
  t.comment(`${Math.round(grown / MEGABYTE)} MB for ${IDLE} connections`)
  t.ok(grown < 300 * MEGABYTE, 'memory is bounded')
  const asked = performance.now()
  t.equal((await ask()).status, 200)
  t.ok(performance.now() - asked < 4000, 'and it still answers')
  const taken = await settleMany(MORE)
  t.ok(taken > 0 && taken < MORE, `${taken} of ${MORE} more`)
  for (const socket of sockets) socket.destroy()
  await until('a connection is accepted', settle)
  t.equal((await ask()).status, 200, 'and takes new ones when they are gone')
})
