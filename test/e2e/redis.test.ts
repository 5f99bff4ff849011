import t, { type Test } from 'tap'
import { createApp, password, setUp } from '../support/app.ts'
import { cloneDatabase } from '../support/clone-database.ts'
import { needs, startProgram } from '../support/external-programs.ts'
import { freePort } from '../support/free-port.ts'
import { JWT_SECRET, start } from '../support/service-process.ts'
import { until } from '../support/until.ts'

const startRedis = (t: Test, port: number) =>
  startProgram(t, 'redis-server', port, [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--save',
    '""',
    '--dir',
    '%/',
  ])

t.test('shares rate limits through Redis, and goes on without it', needs('redis-server'), async (t) => {
  const port = await freePort()
  const redis = await startRedis(t, port)
  const env = { REDIS_URL: `redis://127.0.0.1:${port}`, RATE_LIMIT_LOGIN: '4', RATE_LIMIT_API: '9999' }
  const { app, database } = await setUp(t, env)
  const replica = await createApp(t, database, env)
  const payload = { email: 'ada@example.com', password }
  const ask = async (one: typeof app) =>
    (await one.inject({ method: 'POST', url: '/login', payload })).statusCode
  const left = async (one: typeof app) =>
    Number(/r=(\d+)/.exec(`${(await one.inject('/todos')).headers.ratelimit}`)?.[1])
  const ready = async () => {
    await until('Redis counts for both', async () => {
      const first = await left(app)
      return (await left(replica)) === first - 1 && (await left(app)) === first - 2
    })
  }
  await ready()
  const answers = []
  for (const one of [app, replica, app, replica, app, replica]) answers.push(await ask(one))
  // Not all of the last two: where Redis is slow on a busy machine, a process counts by itself.
  t.same(answers.slice(0, 4), [401, 401, 401, 401])
  t.ok(answers.includes(429), 'one count for both: neither has had more than it may')
  t.equal((await replica.inject('/todos')).statusCode, 401, 'and another for each limit')

  await redis.stop()
  t.equal(await ask(app), 401, 'a lost Redis fails no request')
  t.equal(await ask(replica), 401)
  const alone = []
  for (let n = 0; n < 5; n++) alone.push(await ask(app))
  t.ok(alone.includes(429), 'each process counts by itself meanwhile')
  await startRedis(t, port)
  await ready()
  const counted = []
  for (let n = 0; n < 5; n++) counted.push(await ask(app))
  t.ok(counted.includes(429), 'and one that is back counts again')
})

t.test(
  'shares nothing but the database and Redis between two processes',
  needs('redis-server'),
  async (t) => {
    const port = await freePort()
    await startRedis(t, port)
    const { url } = await cloneDatabase(t)
    const env = { DATABASE_URL: url, JWT_SECRET, HOST: '127.0.0.1', REDIS_URL: `redis://127.0.0.1:${port}` }
    const limits = { RATE_LIMIT_LOGIN: '6', RATE_LIMIT_API: '50' }
    const cwd = t.testdir()
    const replicas = await Promise.all([1, 2].map(() => start(t, { ...env, ...limits }, cwd).ready()))
    const ask = (n: number, path: string, body: object, token?: string) =>
      fetch(`${replicas[n % 2]}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
        body: JSON.stringify(body),
      })
    const login = { email: 'ada@example.com', password }
    t.equal((await ask(0, '/register', login)).status, 201)
    const { access_token: token } = (await (await ask(1, '/login', login)).json()) as { access_token: string }
    t.equal((await ask(0, '/todos', { title: 'a' }, token)).status, 201, 'a login at one counts at the other')
    t.equal((await ask(0, '/logout', {}, token)).status, 204)
    t.equal((await ask(1, '/todos', { title: 'b' }, token)).status, 401, 'and so does a logout')
    const statuses = []
    for (let n = 0; n < 8; n++)
      statuses.push((await ask(n, '/login', { ...login, password: 'wrong' })).status)
    t.same(statuses.slice(0, 5), [401, 401, 401, 401, 401])
    t.ok(statuses.includes(429), 'one count for both: neither has had more than it may')
  },
)
