import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { problem, setUp } from '../support/app.ts'
import { until } from '../support/until.ts'

t.test('processes few requests at a time while the event loop lags, and stays healthy', async (t) => {
  const { app } = await setUp(t, { EVENT_LOOP_DELAY_LIMIT_MS: '20', DATABASE_POOL_SIZE: '1' })
  const block = (milliseconds: number) => {
    for (const end = performance.now() + milliseconds; performance.now() < end; );
  }
  const askTogether = async () => {
    const answers = await Promise.all(
      ['/todos', '/todos', '/todos', '/todos', '/health'].map((url) => app.inject(url)),
    )
    return { answers, statuses: answers.map(({ statusCode }) => statusCode) }
  }
  let { answers, statuses } = await askTogether()
  t.same(statuses, [401, 401, 401, 401, 200])
  for (let n = 0; n < 40 && !statuses.includes(503); n++) {
    block(100)
    await sleep(1)
    ;({ answers, statuses } = await askTogether())
  }
  t.ok(statuses.includes(503))
  t.ok(statuses.includes(401), 'some are worked on')
  t.equal(statuses.at(-1), 200)
  for (const answer of answers.filter(({ statusCode }) => statusCode === 503)) {
    problem(t, answer, 503, 'overloaded')
    t.equal(answer.headers['retry-after'], '1')
  }
  await until('nothing is refused', async () => !(await askTogether()).statuses.includes(503))
})
