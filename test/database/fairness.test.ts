import t from 'tap'
import { loadConfig } from '../../src/config.ts'
import { createDatabase } from '../../src/database/database.ts'
import type { Tx } from '../../src/database/transaction.ts'
import { setUp, signUp, testing } from '../support/app.ts'
import { credentialOf } from '../support/credential-of.ts'

const { app, database } = await setUp(t)

function open(size: number, env: Record<string, string> = {}) {
  const opened = createDatabase(
    loadConfig({ ...testing, DATABASE_URL: database.url, DATABASE_POOL_SIZE: `${size}`, ...env }),
  )
  t.teardown(opened.close)
  return opened
}

async function makeCredential() {
  return credentialOf((await signUp(app)).token)
}
type Credential = Awaited<ReturnType<typeof makeCredential>>
const [ada, bob, cleo, dan] = await Promise.all([1, 2, 3, 4].map(makeCredential))

/** Work that holds a connection until it is told to finish. */
function hold(opened: ReturnType<typeof open>, credential: Credential | undefined) {
  let begun = () => {}
  const work = { hasBegun: false, begun: new Promise<void>((resolve) => (begun = resolve)), finish: () => {} }
  const finished = new Promise<void>((resolve) => (work.finish = resolve))
  const run = async (tx: Tx) => {
    await tx`select 1`
    work.hasBegun = true
    begun()
    await finished
    return tx`select 1`
  }
  const result = opened.withUser(credential as Credential, 'read only', run)
  result.catch(() => {})
  return Object.assign(work, { result })
}

t.test('serves a second user while one floods it with work that takes long', async (t) => {
  const opened = open(6, { POOL_QUEUE_LIMIT: '30' })
  const flood = Array.from({ length: 12 }, () => hold(opened, ada))
  await Promise.all(flood.slice(0, 2).map(({ begun }) => begun))
  for (let n = 0; n < 10; n++) {
    const other = hold(opened, bob)
    await other.begun
    other.finish()
    await other.result
  }
  t.equal((await opened.withoutUser((tx) => tx`select 1`)).length, 1)
  t.equal(flood.filter(({ hasBegun }) => hasBegun).length, 2, 'the first user has a third of the connections')
  t.equal(opened.stats().waiting, 10)
  await t.rejects(hold(opened, ada).result, { code: 'overloaded' }, 'and a third of the places in line')
  for (const { finish } of flood) finish()
  for (const { result } of flood) t.equal((await result).length, 1)
  t.equal(opened.stats().waiting, 0)
})

t.test(
  'lends a connection to the user who holds fewest, and among those to the one who has waited longest',
  async (t) => {
    const opened = open(4)
    const held = [hold(opened, ada), hold(opened, ada), hold(opened, bob), hold(opened, cleo)]
    await Promise.all(held.map(({ begun }) => begun))
    const [first, second, third, fourth] = [ada, bob, dan, cleo].map((user) => hold(opened, user))
    held[0]?.finish()
    await third?.begun
    t.notOk(first?.hasBegun || second?.hasBegun || fourth?.hasBegun)
    held[3]?.finish()
    await fourth?.begun
    t.notOk(first?.hasBegun || second?.hasBegun)
    fourth?.finish()
    await first?.begun
    t.notOk(second?.hasBegun)
    for (const { finish, result } of [...held, first, second, third].flatMap((work) => work ?? [])) {
      finish()
      await result
    }
  },
)

t.test('serves the one who waited on a free connection when another of the same user is lost', async (t) => {
  const opened = open(2)
  const [other, first] = [hold(opened, bob), hold(opened, ada)]
  await Promise.all([other.begun, first.begun])
  other.finish()
  await other.result
  const second = hold(opened, ada)
  t.equal(opened.stats().waiting, 1)
  await database.admin`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and state = 'idle in transaction'`
  await t.rejects(first.result, { code: 'unavailable' })
  await second.begun
  second.finish()
  t.equal((await second.result).length, 1)
})

t.test('counts no connection that could not be opened', async (t) => {
  const opened = open(1, { DATABASE_URL: database.url.replace(/:\d+\//, ':1/') })
  for (let n = 0; n < 3; n++) await t.rejects(hold(opened, ada).result, { code: 'unavailable' })
})
