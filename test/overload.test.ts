import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { problem, setUp } from './helper.ts'

t.test('refuses requests while the event loop lags, but is not dead', async (t) => {
  const { app } = await setUp(t, { EVENT_LOOP_DELAY_LIMIT_MS: '20' })
  const block = (milliseconds: number) => {
    for (const end = performance.now() + milliseconds; performance.now() < end; );
  }
  let answer = await app.inject('/todos')
  t.equal(answer.statusCode, 401)
  for (let n = 0; n < 40 && answer.statusCode !== 503; n++) {
    block(100)
    await sleep(1)
    answer = await app.inject('/todos')
  }
  problem(t, answer, 503, 'overloaded')
  t.equal(answer.headers['retry-after'], '1')
  t.equal((await app.inject('/health')).statusCode, 200)
  while ((await app.inject('/todos')).statusCode === 503) await sleep(50)
  t.equal((await app.inject('/todos')).statusCode, 401, 'and recovers')
})
