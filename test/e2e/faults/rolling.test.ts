import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createApp, signUp } from '../../support/app.ts'
import { cloneDatabase } from '../../support/clone-database.ts'
import { freePort, needs, startProgram } from '../../support/external-programs.ts'
import { JWT_SECRET, start } from '../../support/service-process.ts'
import { until } from '../../support/until.ts'
import { checkWrites, startLoad } from './load.ts'

const haproxy = (port: number, replicas: number[]) => `
defaults
  mode http
  timeout connect 2s
  timeout client 30s
  timeout server 30s
  timeout check 2s
frontend public
  bind 127.0.0.1:${port}
  default_backend api
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
  const port = await freePort()
  await startProgram(t, 'haproxy', port, ['-db', '-f', '%/haproxy.cfg'], {
    'haproxy.cfg': haproxy(port, ports),
  })
  const api = `http://127.0.0.1:${port}`
  await until('HAProxy has found a replica', async () => (await fetch(`${api}/ready`)).status === 200)
  const load = startLoad(() => api, token)
  for (const [index, replica] of replicas.entries()) {
    await load.more(100)
    replica.server.kill('SIGTERM')
    t.equal(await replica.ended, 0)
    await run(ports[index] as number).ready()
    // Until HAProxy has seen it.
    await sleep(500)
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
