import t from 'tap'
import { createApp, setUp, signUp } from '../support/app.ts'
import { freePort } from '../support/free-port.ts'

t.test('counts requests, problems and connections for Prometheus', async (t) => {
  const port = await freePort()
  const { app, database } = await setUp(t, { ADMIN_PORT: String(port) })
  const user = await signUp(app)
  await user.ask('GET', '/todos')
  await user.ask('GET', '/todos/01a20966-f8ff-77a2-86bc-2c8c5a12b7c3')
  await app.inject('/todos')
  await app.inject('/nowhere/at/all')
  await database.admin`drop policy todos_insert_own on todos`
  await user.ask('POST', '/todos', { title: 'refused by the database' })

  const answer = await fetch(`http://127.0.0.1:${port}/metrics`)
  t.match(answer.headers.get('content-type'), 'text/plain; version=0.0.4')
  const lines = (await answer.text()).split('\n')
  for (const line of [
    'http_request_duration_seconds_count{method="GET",route="/todos",status="200"} 1',
    'http_request_duration_seconds_count{method="GET",route="/todos/:id",status="404"} 1',
    'http_request_duration_seconds_count{method="GET",route="none",status="404"} 1',
    'http_request_duration_seconds_count{method="POST",route="/todos",status="403"} 1',
    'http_problems_total{code="missing_token"} 1',
    'http_problems_total{code="not_found"} 2',
    'http_problems_total{code="insufficient_scope"} 1',
    'database_denied_writes_total 1',
    'database_pool_connections{state="in_use"} 0',
    'database_pool_connections{state="idle"} 1',
    'database_pool_connections{state="waiting"} 0',
    'password_queue_length 0',
    'http_requests_in_flight 0',
    'http_connections 0',
  ])
    t.ok(lines.includes(line), line)
  t.ok(lines.some((line) => line.startsWith('nodejs_eventloop_lag_mean_seconds ')))
  t.notOk(
    lines.some((line) => line.includes(user.id) || line.includes(user.email)),
    'nobody is named',
  )
  t.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 404)
  await app.close()
  await t.rejects(fetch(`http://127.0.0.1:${port}/metrics`))
})

t.test('requires the token when there is one', async (t) => {
  const port = await freePort()
  const token = 'x'.repeat(32)
  await setUp(t, { ADMIN_PORT: String(port), ADMIN_TOKEN: token })
  const status = async (authorization?: string) => {
    const url = `http://127.0.0.1:${port}/metrics`
    return (await fetch(url, authorization ? { headers: { authorization } } : {})).status
  }
  for (const wrong of [undefined, token, `Bearer ${token}x`, 'Bearer']) t.equal(await status(wrong), 401)
  t.equal(await status(`Bearer ${token}`), 200)
})

t.test('does not start when the port is taken', async (t) => {
  const ADMIN_PORT = String(await freePort())
  const { database } = await setUp(t, { ADMIN_PORT })
  await t.rejects(createApp(t, database, { ADMIN_PORT }), {
    message: /^ADMIN_PORT cannot be used: listen EADDRINUSE/,
  })
})
