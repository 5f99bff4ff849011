import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createApp, password, setUp } from './helper.ts'
import { freePort, needs, startProgram } from './programs.ts'

t.test('shares rate limits through Redis, and goes on without it', needs('redis-server'), async (t) => {
  const port = await freePort()
  const startRedis = () =>
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
  const redis = await startRedis()
  const env = { REDIS_URL: `redis://127.0.0.1:${port}`, RATE_LIMIT_LOGIN: '4', RATE_LIMIT_API: '50' }
  const { app, database } = await setUp(t, env)
  const replica = await createApp(t, database, env)
  const payload = { email: 'ada@example.com', password }
  const ask = async (one: typeof app) =>
    (await one.inject({ method: 'POST', url: '/login', payload })).statusCode
  const ready = async () => {
    while (/t=0/.test(`${(await app.inject('/todos')).headers.ratelimit}`)) await sleep(50)
  }
  await ready()
  const answers = []
  for (const one of [app, replica, app, replica, app, replica]) answers.push(await ask(one))
  t.same(answers, [401, 401, 401, 401, 429, 429], 'one count for both')
  t.equal((await replica.inject('/todos')).statusCode, 401, 'and another for each limit')

  await redis.stop()
  t.equal(await ask(app), 401, 'a lost Redis lets requests pass')
  t.equal(await ask(replica), 401)
  await startRedis()
  await ready()
  const counted = []
  for (let n = 0; n < 5; n++) counted.push(await ask(app))
  t.ok(counted.includes(429), 'and one that is back counts again')
})
