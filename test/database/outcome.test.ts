import t from 'tap'
import { loadConfig } from '../../src/config.ts'
import { createDatabase } from '../../src/database/database.ts'
import type { Tx } from '../../src/database/transaction.ts'
import { setUp, signUp, testing } from '../support/app.ts'
import { credentialOf } from '../support/credential-of.ts'
import { begun, columns, complete, fault, one, ready, row, startFake } from '../support/fake-postgres.ts'

const { app, database } = await setUp(t)
const user = await signUp(app)
const credential = credentialOf(user.token)
await database.admin`create table public.checked (x int, constraint checked_key unique (x) deferrable initially deferred)`
await database.admin`grant select, insert on public.checked to public`
const count = async () => (await database.admin`select from public.checked`).length

/** Violates the constraint, which PostgreSQL looks at when the transaction ends. */
const violate = (tx: Tx) => tx`insert into public.checked values (1), (1) returning x`
const violateFirst = async (tx: Tx) => {
  const rows = await violate(tx)
  await tx`select 1`
  return rows
}

t.test('does not report success when the commit fails', async (t) => {
  await t.rejects(app.database.withoutUser(violate), { code: '23505' })
  await t.rejects(app.database.withUser(credential, 'read write', violate), { code: '23505' })
  await t.rejects(app.database.withUser(credential, 'read write', violateFirst), { code: '23505' })
  t.equal(await count(), 0)
  t.equal((await app.database.withoutUser((tx) => tx`select 1`)).length, 1)
})

t.test('does not report success when a later statement of the transaction fails', async (t) => {
  const goesOn = (tx: Tx) => {
    const inserted = tx`insert into public.checked values (1)`
    tx`select 1 / 0`
    return inserted
  }
  await t.rejects(app.database.withoutUser(goesOn), { code: '22012' })
  await t.rejects(app.database.withUser(credential, 'read write', goesOn), {
    message: 'The transaction was rolled back',
  })
  t.equal(await count(), 0)
})

t.test(
  'does not report success when the connection is lost before a statement or COMMIT completes',
  async (t) => {
    const authenticated = [
      begun,
      columns('scopes', 'use_is_due'),
      row('{todos:write}', ''),
      complete('SELECT 1'),
    ]
    const url = await startFake(t, (flight, connection) => {
      if (connection === 2) return [...one('a'), ready()]
      if (flight > 0) return undefined
      if (connection === 0) return one('a')
      return [
        begun,
        complete('BEGIN'),
        ...authenticated,
        begun,
        complete('INSERT 0 1'),
        begun,
        complete('COMMIT'),
      ]
    })
    const opened = createDatabase(
      loadConfig({ ...testing, DATABASE_URL: url, TRANSACTION_TIMEOUT_MS: '2000' }),
    )
    t.teardown(opened.close)
    const insert = (tx: Tx) => tx`insert into todos (id, title, folded_title) values ('x', 'x', 'x')`
    await t.rejects(opened.withoutUser(insert), { code: 'unavailable' })
    await t.rejects(opened.withUser(credential, 'read write', insert), {
      code: 'unavailable',
      extras: { detail: /outcome of this write is unknown/ },
    })
    t.same(await opened.withoutUser((tx) => tx`select 1`), [{ x: 'a' }])
  },
)

t.test('does not doubt that nothing was done when the second run of a transaction is lost', async (t) => {
  const begin = [
    begun,
    complete('BEGIN'),
    begun,
    columns('scopes', 'use_is_due'),
    row('{}', ''),
    complete('SELECT 1'),
  ]
  const flights = [
    [...begin, ...one('a'), ready('T')],
    [begun, fault('40001'), ready()],
    [begun, complete('ROLLBACK'), ready()],
  ]
  const url = await startFake(t, (flight) => flights[flight])
  const opened = createDatabase(loadConfig({ ...testing, DATABASE_URL: url }))
  t.teardown(opened.close)
  const awaits = async (tx: Tx) => {
    await tx`insert into todos (id, title, folded_title) values ('x', 'x', 'x')`
  }
  await t.rejects(opened.withUser(credential, 'read write', awaits), {
    code: 'unavailable',
    extras: { detail: undefined },
  })
})

t.test('rejects what was sent, and what waited to be sent, when the connection is lost', async (t) => {
  const url = await startFake(t, () => [begun])
  const opened = createDatabase(loadConfig({ ...testing, DATABASE_URL: url, TRANSACTION_TIMEOUT_MS: '300' }))
  t.teardown(opened.close)
  let outcomes: Promise<unknown[]> = Promise.resolve([])
  const run = async (tx: Tx) => {
    const sent = tx`select 1`
    await new Promise(setImmediate)
    outcomes = Promise.allSettled([sent, tx`select 2`])
    return sent
  }
  await t.rejects(opened.withoutUser(run), { code: 'unavailable' })
  t.match(await outcomes, [{ reason: { code: 'unavailable' } }, { reason: { code: 'unavailable' } }])
})
