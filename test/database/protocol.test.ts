import t from 'tap'
import { loadConfig } from '../../src/config.ts'
import { createDatabase, type Database } from '../../src/database/database.ts'
import type { Tx } from '../../src/database/transaction.ts'
import { createApp, problem, setUp, signUp, testing } from '../support/app.ts'
import { credentialOf } from '../support/credential-of.ts'
import {
  begun,
  columns,
  complete,
  fault,
  message,
  one,
  ready,
  row,
  startFake,
} from '../support/fake-postgres.ts'
import { until } from '../support/until.ts'

const { app, database } = await setUp(t)
const user = await signUp(app)
const credential = credentialOf(user.token)
const open = (url: string) => {
  const opened = createDatabase(loadConfig({ ...testing, DATABASE_URL: url, DATABASE_POOL_SIZE: '1' }))
  t.teardown(opened.close)
  return opened
}
const select = (tx: Tx) => tx<{ x: string }>`select 'a' as x`
const nobody = (opened: Database, run: (tx: Tx) => Promise<unknown>) => opened.withoutUser(run)
const write = (opened: Database, run: (tx: Tx) => Promise<unknown>) =>
  opened.withUser(credential, 'read write', run)
const read = (opened: Database, run: (tx: Tx) => Promise<unknown>) =>
  opened.withUser(credential, 'read only', run)

t.test('refuses a statement that is empty, is COPY or controls the transaction', async (t) => {
  const opened = open(database.url)
  const refused: Record<string, (tx: Tx) => Promise<unknown>> = {
    nothing: (tx) => tx``,
    blanks: (tx) => tx` \n\t`,
    comments: (tx) => tx`-- a\n /* b */ /***/ -- c`,
    begin: (tx) => tx`begin`,
    'start transaction': (tx) => tx`start transaction read only`,
    commit: (tx) => tx`COMMIT`,
    end: (tx) => tx`\n  End`,
    rollback: (tx) => tx`/* a */ rollback`,
    abort: (tx) => tx`-- a\nabort`,
    'rollback to a savepoint': (tx) => tx`rollback to a`,
    savepoint: (tx) => tx`savepoint a`,
    release: (tx) => tx`release a`,
    'prepare transaction': (tx) => tx`prepare  transaction 'a'`,
    'copy in': (tx) => tx`copy todos from stdin`,
    'copy out': (tx) => tx`copy (select 1) to stdout`,
    prepare: (tx) => tx`prepare a as select 1`,
    deallocate: (tx) => tx`deallocate all`,
    set: (tx) => tx`set search_path = app`,
    listen: (tx) => tx`listen a`,
  }
  for (const [name, run] of Object.entries(refused)) {
    for (const within of [nobody, write, read])
      await t.rejects(within(opened, run), { message: /^Not allowed in a transaction/ }, name)
    const later = async (tx: Tx) => {
      await tx`insert into todos (id, title, folded_title) values (gen_random_uuid(), 'half', 'half')`
      return run(tx)
    }
    await t.rejects(write(opened, later), { message: /^Not allowed in a transaction/ }, name)
    t.same(await read(opened, select), [{ x: 'a' }])
  }
  t.equal((await database.admin`select from todos`).length, 0, 'nothing is half done')
})

t.test('takes the same words anywhere else', async (t) => {
  const opened = open(database.url)
  const taken: ((tx: Tx) => Promise<unknown>)[] = [
    (tx) => tx`select case when true then 'a' end as x`,
    (tx) => tx`\n select /* begin */ 'a' as x -- commit`,
    (tx) => tx`with copy as (select 'a' as x) select x from copy`,
  ]
  for (const run of taken)
    for (const within of [nobody, write, read]) t.same(await within(opened, run), [{ x: 'a' }])
})

const copy = (type: string) => message(type, Buffer.from([0, 0, 0]))
/** What a server should not send in answer to a SELECT, with the rest of the answer. */
const strange: Record<string, Buffer[]> = {
  EmptyQueryResponse: [begun, message('I'), ready()],
  CopyInResponse: [begun, copy('G')],
  CopyOutResponse: [
    begun,
    copy('H'),
    message('d', Buffer.from('a\n')),
    message('c'),
    complete('COPY 1'),
    ready(),
  ],
  CopyBothResponse: [begun, copy('W'), ready()],
  PortalSuspended: [begun, columns('x'), row('a'), message('s'), ready()],
  'no answer': [ready()],
  'a result without an end': [begun, columns('x'), row('a'), ready()],
  'another result': [...one('a'), ...one('b'), ready()],
  'another row': [...one('a'), row('b'), ready()],
  'another end': [...one('a'), complete('SELECT 1'), ready()],
  'a row without its columns': [begun, row('a'), complete('SELECT 1'), ready()],
  'a row with too many columns': [begun, columns('x'), row('a', 'b'), complete('SELECT 1'), ready()],
  'a row with too few columns': [begun, columns('x', 'y'), row('a'), complete('SELECT 1'), ready()],
  'a value that is not of its type': [
    begun,
    columns('x', 'json'),
    row('a', '{'),
    complete('SELECT 1'),
    ready(),
  ],
  'the end of a transaction': [begun, complete('COMMIT'), ready()],
  'the beginning of a transaction': [begun, complete('BEGIN'), ready('T')],
  'a message that does not exist': [begun, message('~'), ready()],
  'a row after an error': [begun, fault('22012'), row('a'), ready()],
  'an error after an error': [begun, fault('22012'), fault('22012'), ready()],
  'a fatal error': [begun, fault('57P01', 'FATAL')],
}

t.test('destroys a connection on which the server sends an unexpected message', async (t) => {
  const check = async ([name, answer]: [string, Buffer[]]) => {
    const url = await startFake(t, (_, connection) => (connection > 0 ? [...one('good'), ready()] : answer))
    const opened = createDatabase(
      loadConfig({ ...testing, DATABASE_URL: url, DATABASE_POOL_SIZE: '1', TRANSACTION_TIMEOUT_MS: '2000' }),
    )
    t.teardown(opened.close)
    const [first, second] = [opened.withoutUser(select), opened.withoutUser(select)]
    await t.rejects(first, Error, name)
    await t.resolveMatch(second, [{ x: 'good' }], `${name}, and the next one`)
  }
  await Promise.all(Object.entries(strange).map(check))
})

t.test('hides protocol errors from the client', async (t) => {
  const url = await startFake(t, () => strange.EmptyQueryResponse)
  const behind = await createApp(t, { url })
  const payload = { email: 'a@example.com', password: 'x' }
  problem(t, await behind.inject({ method: 'POST', url: '/login', payload }), 500, 'internal')
})

t.test('does not reuse a connection that is still in a transaction', async (t) => {
  let connections = 0
  const url = await startFake(t, (_, connection) => {
    connections = connection + 1
    return [...one('a'), ready('T')]
  })
  const opened = open(url)
  t.same(await opened.withoutUser(select), [{ x: 'a' }])
  t.same(await opened.withoutUser(select), [{ x: 'a' }])
  t.equal(connections, 2)
})

t.test('destroys a connection on which the server sends something between statements', async (t) => {
  for (const unexpected of [
    message('S', 'TimeZone', 'Europe/Berlin'),
    fault('57P01', 'FATAL'),
    complete('SELECT 1'),
  ]) {
    const url = await startFake(t, (_, connection) =>
      connection > 0 ? [...one('good'), ready()] : [...one('a'), ready(), unexpected],
    )
    const opened = open(url)
    // The message may arrive before the connection is released.
    await opened.withoutUser(select).catch((error) => t.equal(error.code, 'unavailable'))
    await until('the connection is closed', () => opened.stats().idle === 0)
    t.same(await opened.withoutUser(select), [{ x: 'good' }])
  }
})

t.test('ignores notices and notifications', async (t) => {
  const beside = [
    fault('01000', 'WARNING', 'N'),
    message('A', Buffer.from([0, 0, 0, 7]), 'channel', 'payload'),
  ]
  const [begin, description, data, end] = one('a') as [Buffer, Buffer, Buffer, Buffer]
  const answer = [begin, description, data, end, ready()].flatMap((part) => [...beside, part, ...beside])
  let connections = 0
  const url = await startFake(t, (_, connection) => {
    connections = connection + 1
    return answer
  })
  const opened = open(url)
  for (let n = 0; n < 3; n++) t.same(await opened.withoutUser(select), [{ x: 'a' }])
  t.equal(connections, 1)
})
