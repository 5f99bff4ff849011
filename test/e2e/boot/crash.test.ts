import { randomUUID } from 'node:crypto'
import t from 'tap'
import { createApp, signUp } from '../../support/app.ts'
import { cloneDatabase } from '../../support/clone-database.ts'
import { JWT_SECRET, start } from '../../support/service-process.ts'
import { startProxy } from '../../support/tcp-proxy.ts'
import { until } from '../../support/until.ts'

t.test('creates one todo even when the server is killed between the commit and the response', async (t) => {
  const database = await cloneDatabase(t)
  const user = await signUp(await createApp(t, database))
  const proxy = await startProxy(t, database.url)
  const env = { JWT_SECRET, HOST: '127.0.0.1' }
  const send = (api: string) =>
    fetch(`${api}/todos`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${user.token}`,
        'content-type': 'application/json',
        'idempotency-key': key,
      },
      body: '{"title":"once"}',
    })
  const key = randomUUID()
  const todos = () => database.admin`select from todos where user_id = ${user.id}`

  const first = start(t, { ...env, DATABASE_URL: proxy.url })
  const api = await first.ready()
  proxy.muteAfter = 'commit'
  const lost = send(api).then(
    ({ status }) => status,
    () => 'no answer',
  )
  await until('the todo is committed', async () => (await todos()).length > 0)
  first.server.kill('SIGKILL')
  t.equal(await lost, 'no answer')

  const second = start(t, { ...env, DATABASE_URL: database.url })
  const retry = await send(await second.ready())
  t.equal(retry.status, 201)
  t.equal(retry.headers.get('idempotent-replayed'), 'true')
  t.equal((await todos()).length, 1)
})
