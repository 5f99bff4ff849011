import t from 'tap'
import { createApp, signUp } from '../../support/app.ts'
import { cloneDatabase } from '../../support/clone-database.ts'
import { freePort, needs, startProgram } from '../../support/external-programs.ts'
import { JWT_SECRET, start } from '../../support/service-process.ts'
import { until } from '../../support/until.ts'
import { checkWrites, startLoad } from './load.ts'

const haproxy = (port: number, statsPort: number, replicas: number[]) => `
defaults
  mode http
  timeout connect 2s
  timeout client 30s
  timeout server 30s
  timeout check 2s
frontend public
  bind 127.0.0.1:${port}
  default_backend api
frontend stats
  bind 127.0.0.1:${statsPort}
  stats enable
  stats uri /
backend api
  balance roundrobin
  option httpchk GET /ready
  default-server check inter 100ms fall 1 rise 1
${replicas.map((replica, index) => `  server replica${index} 127.0.0.1:${replica}`).join('\n')}
`

t.test('restarts two replicas one after the other, and no request fails', needs('haproxy'), async (t) => {
  const database = await cloneDatabase(t)
  const { token } = await signUp(await createApp(t, database))
  const ports = [await freePort(), await freePort()]
  const cwd = t.testdir()
  const run = (port: number) =>
    start(t, { DATABASE_URL: database.url, JWT_SECRET, HOST: '127.0.0.1', PORT: `${port}` }, cwd)
  const replicas = ports.map(run)
  for (const { ready } of replicas) await ready()
  const [port, statsPort] = [await freePort(), await freePort()]
  await startProgram(t, 'haproxy', port, ['-db', '-f', '%/haproxy.cfg'], {
    'haproxy.cfg': haproxy(port, statsPort, ports),
  })
  const api = `http://127.0.0.1:${port}`
  await until('HAProxy has found a replica', async () => (await fetch(`${api}/ready`)).status === 200)
  /** Whether HAProxy sends requests to both replicas. */
  const isBalanced = async () => {
    const table = await (await fetch(`http://127.0.0.1:${statsPort}/;csv`)).text()
    return table.match(/^api,replica\d,.*,UP,/gm)?.length === ports.length
  }
  await until('HAProxy uses both replicas', isBalanced)
  const load = startLoad(() => api, token)
  for (const [index, replica] of replicas.entries()) {
    await load.more(100)
    replica.server.kill('SIGTERM')
    t.equal(await replica.ended, 0)
    await run(ports[index] as number).ready()
    await until('HAProxy uses the replica again', isBalanced)
  }
  await load.more(100)
  await load.stop()
  t.same(
    load.writes.filter(({ status }) => status !== 201),
    [],
    'every write is answered with 201',
  )
  // Until HAProxy has asked it, /ready of the one that leaves truthfully says no.
  t.same([...new Set(load.answers('/health'))], [200])
  await checkWrites(t, database, load.writes)
})
