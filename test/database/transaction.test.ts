import t from 'tap'
import { fragment, furtherStep, type Tx } from '../../src/database/transaction.ts'
import { ApiError } from '../../src/http/errors.ts'
import { listTitles, setScene } from './scene.ts'

const { credential, open, leavesNothing } = await setScene(t)

t.test('rolls back when a statement fails, sent together or awaited', async (t) => {
  const opened = open()
  const fails = (tx: Tx) => tx`select 1 / 0`
  await t.rejects(opened.withUser(credential, 'read write', fails), { code: '22012' })
  await leavesNothing(t, opened)
  const writesAndFails = async (tx: Tx) => {
    await tx`insert into todos (id, title) values (gen_random_uuid(), 'half')`
    await fails(tx)
  }
  await t.rejects(opened.withUser(credential, 'read write', writesAndFails), { code: '22012' })
  await leavesNothing(t, opened)
})

t.test('does not report success after a failure that the handler ignored', async (t) => {
  const opened = open()
  const insert = (tx: Tx) => tx`insert into todos (id, title) values (gen_random_uuid(), 'undone')`
  const looksAway = async (tx: Tx) => {
    await insert(tx)
    await tx`select 1 / 0`.catch(() => {})
  }
  await t.rejects(opened.withUser(credential, 'read write', looksAway), {
    message: 'The transaction was rolled back',
  })
  const goesOn = async (tx: Tx) => {
    await insert(tx)
    tx`select 1 / 0`
  }
  await t.rejects(opened.withUser(credential, 'read write', goesOn), { code: '22012' })
  await leavesNothing(t, opened)
})

t.test('rolls back when the work throws, at once or later', async (t) => {
  const opened = open()
  const atOnce = (): Promise<never> => {
    throw new Error('bug')
  }
  await t.rejects(opened.withUser(credential, 'read write', atOnce), { message: 'bug' })
  const later = async (tx: Tx) => {
    await tx`insert into todos (id, title) values (gen_random_uuid(), 'half')`
    throw new ApiError('not_found')
  }
  await t.rejects(opened.withUser(credential, 'read write', later), { code: 'not_found' })
  await t.rejects(opened.withoutUser(atOnce), { message: 'bug' })
  await leavesNothing(t, opened)
})

t.test('commits work of several statements', async (t) => {
  const opened = open()
  await opened.withUser(credential, 'read write', async (tx) => {
    await tx`insert into todos (id, title) values (gen_random_uuid(), 'kept')`
    await tx`update todos set title = 'kept, too'`
  })
  t.same(await opened.withUser(credential, 'read only', listTitles), [{ title: 'kept, too' }])
  await opened.withUser(credential, 'read write', (tx) => tx`delete from todos`)
})

t.test('writes nothing in a read only transaction', async (t) => {
  const opened = open()
  const insert = (tx: Tx) => tx`insert into todos (id, title) values (gen_random_uuid(), 'x')`
  await t.rejects(opened.withUser(credential, 'read only', insert), { code: '25006' })
  await opened.withUser(credential, 'read write', insert)
  await opened.withUser(credential, 'read write', (tx) => tx`delete from todos`)
  await leavesNothing(t, opened)
})

t.test('revokes the handle when the transaction ends', async (t) => {
  const opened = open()
  const leaked: Tx[] = []
  const leak = (tx: Tx) => {
    leaked.push(tx)
    return tx`select 1`
  }
  await opened.withUser(credential, 'read only', leak)
  await opened.withoutUser(leak)
  t.equal(leaked.length, 2)
  for (const tx of leaked) t.throws(() => tx`select 1`, { message: 'This transaction has ended' })
})

t.test(
  'reads and writes nothing for a revoked session, even when the handler awaits a result first',
  async (t) => {
    const opened = open()
    const dead = { ...credential, session_id: '0198f2c4-7d1a-7c3e-9f55-0d6a4f0b1c2d' }
    let seen: unknown
    const look = async (tx: Tx) => {
      seen = await tx`select * from users`
      throw new Error('what the work made of it')
    }
    await t.rejects(opened.withUser(dead, 'read only', look), { code: 'revoked_token' })
    t.same(seen, [])
    const write = (tx: Tx) => tx`insert into todos (id, title) values (gen_random_uuid(), 'x')`
    await t.rejects(opened.withUser(dead, 'read write', write), { code: 'revoked_token' })
    await t.rejects(opened.withUser({ ...dead, user_id: 'not a uuid' }, 'read only', listTitles), {
      code: '22P02',
    })
    await leavesNothing(t, opened)
  },
)

t.test('waits for work under way before it closes, then takes no more', async (t) => {
  const opened = open()
  const work = opened.withUser(credential, 'read only', (tx) => tx`select pg_sleep(0.05)`)
  await opened.close()
  t.equal((await work).length, 1)
  await t.rejects(opened.withUser(credential, 'read only', listTitles), { code: 'unavailable' })
})

t.test('does not let a value that cannot be bound put the connection out of step', async (t) => {
  const opened = open()
  const bind = (tx: Tx) => tx`select ${undefined as never}::text`
  await t.rejects(opened.withUser(credential, 'read only', bind), {
    message: 'A parameter cannot be of type undefined',
  })
  await leavesNothing(t, opened)
})

t.test('works without prepared statements', async (t) => {
  const opened = open({ DATABASE_PREPARE: 'false' })
  await opened.withUser(
    credential,
    'read write',
    (tx) => tx`insert into todos (id, title) values (gen_random_uuid(), ${'a'})`,
  )
  t.same(await opened.withUser(credential, 'read write', (tx) => tx`delete from todos returning title`), [
    { title: 'a' },
  ])
})

t.test('refuses a further step of a statement that has no place for it', async (t) => {
  const opened = open()
  const add = (statement: (tx: Tx) => Promise<object[]>) =>
    opened.withUser(credential, 'read only', (tx) => {
      tx.addStep(fragment`, further as (select 1)`)
      return statement(tx)
    })
  await t.rejects(
    add((tx) => tx`select 1`),
    { message: 'This statement takes no further step: select 1' },
  )
  const one = await add((tx) => tx`with written as (select 1 as one)${furtherStep} select * from written`)
  t.same(one, [{ one: 1 }])
})
