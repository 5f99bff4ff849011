import t from 'tap'
import { loadConfig } from '../../src/config.ts'
import { type ConnectLimiter, createConnectLimiter } from '../../src/database/connect-limiter.ts'
import { openConnection } from '../../src/database/connection.ts'
import { type Deferred, defer } from '../../src/database/deferred.ts'
import { testing } from '../support/app.ts'

/** A limiter with a clock that stands still, and attempts that end when told to. */
function setUp(random = 0) {
  const clock = { now: 0 }
  const attempts: Deferred<void>[] = []
  const limiter = createConnectLimiter(
    () => clock.now,
    () => random,
  )
  const run = () =>
    limiter.run(() => {
      attempts.push(defer<void>())
      return (attempts.at(-1) as Deferred<void>).promise
    })
  const outcome = () =>
    run().then(
      () => 'opened',
      ({ message }) => message,
    )
  return { attempts, clock, limiter, outcome }
}
const tick = () => new Promise((resolve) => setImmediate(resolve))
const refused = new Error('refused')

t.test('opens four connections at once, and the others as these are ready', async (t) => {
  const { attempts, outcome } = setUp()
  const outcomes = Array.from({ length: 6 }, outcome)
  await tick()
  t.equal(attempts.length, 4)
  attempts[0]?.resolve()
  await tick()
  t.equal(attempts.length, 5)
  for (let done = 1; done < 6; done++) {
    attempts[done]?.resolve()
    await tick()
  }
  t.same(await Promise.all(outcomes), Array(6).fill('opened'))
})

t.test('rejects those that wait when an attempt fails, and later ones without trying', async (t) => {
  const { attempts, limiter, outcome } = setUp()
  const outcomes = Array.from({ length: 6 }, outcome)
  await tick()
  for (const { reject } of attempts) reject(refused)
  t.same(await Promise.all(outcomes), Array(6).fill('refused'))
  t.equal(await outcome(), 'refused')
  t.equal(attempts.length, 4)
  t.ok(limiter.isBackingOff())
})

t.test('tries again at intervals that double up to a second, until an attempt succeeds', async (t) => {
  const { attempts, clock, limiter, outcome } = setUp()
  const fail = async () => {
    const failed = outcome()
    attempts.at(-1)?.reject(refused)
    t.equal(await failed, 'refused')
  }
  await fail()
  const delays = []
  for (let n = 0; n < 7; n++) {
    const start = clock.now
    while (limiter.isBackingOff()) clock.now += 50
    delays.push(clock.now - start)
    await fail()
  }
  t.same(delays, [100, 200, 400, 800, 1000, 1000, 1000])
  clock.now += 1000
  const probe = outcome()
  t.equal(await outcome(), 'refused', 'one attempt at a time')
  attempts.at(-1)?.resolve()
  t.equal(await probe, 'opened')
  t.notOk(limiter.isBackingOff())
})

t.test('shortens an interval at random, by up to a half', async (t) => {
  const { attempts, clock, limiter, outcome } = setUp(1)
  const failed = outcome()
  attempts[0]?.reject(refused)
  await failed
  clock.now = 49
  t.ok(limiter.isBackingOff())
  clock.now = 50
  t.notOk(limiter.isBackingOff())
})

t.test('a connection that is destroyed while it waits is not opened', async (t) => {
  const turn = defer<void>()
  const limiter: ConnectLimiter = { run: (connect) => turn.promise.then(connect), isBackingOff: () => false }
  const config = loadConfig({ ...testing, DATABASE_URL: process.env.TEST_DATABASE_URL })
  const connection = openConnection(config, limiter, () => {})
  connection.destroy()
  turn.resolve()
  const cause = { message: 'The pool was closed' }
  await t.rejects(connection.opened, { code: 'unavailable', cause })
})
