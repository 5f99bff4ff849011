import { createHmac } from 'node:crypto'
import postgres from 'postgres'
import t from 'tap'
import { findReadinessFaults } from '../../src/service/readiness.ts'
import { problem, setUp, signUp } from '../support/app.ts'

const { app, database } = await setUp(t)
const owner = postgres(database.ownerUrl, { max: 1, onnotice: () => {} })
t.teardown(() => owner.end())
const user = await signUp(app)

t.test('rotates the key of the context while requests run', async (t) => {
  let rotating = true
  const answers = new Set<string>()
  await user.ask('POST', '/todos', { title: 'x' })
  const keepAsking = async () => {
    while (rotating)
      for (const { statusCode, body } of await Promise.all([
        user.ask('GET', '/todos?limit=1'),
        user.ask('POST', '/todos', { title: 'x' }),
      ]))
        answers.add(`${statusCode} ${body.includes('"title":"x"')}`)
  }
  const asking = [keepAsking(), keepAsking()]
  for (let n = 0; n < 4; n++) {
    await user.ask('GET', '/todos')
    await owner`select app.rotate_context_key()`
    if (n % 2 === 1) await owner`select app.rotate_context_key()`
  }
  rotating = false
  await Promise.all(asking)
  t.same([...answers].sort(), ['200 true', '201 true'], 'no request fails, and none sees nothing')
})

t.test('accepts a context sealed with a key that was replaced, until that is removed', async (t) => {
  await database.admin.begin(async (sql) => {
    await sql`select set_config('app.context', identity.sealed_context(${user.id}, ${user.id}, null, '{}'), true)`
    const seen = async () => (await sql`select app.user_id() as id`)[0]?.id
    t.equal(await seen(), user.id)
    await sql`select app.rotate_context_key()`
    await sql`select app.rotate_context_key()`
    t.equal(await seen(), user.id)
    await sql`update identity.secret_keys set created_at = now() - interval '6 minutes'`
    await sql`select app.rotate_context_key()`
    t.equal(await seen(), null)
    const left = await sql`select id from identity.secret_keys where purpose = 'context'`
    t.equal(left.length, 2, 'the newest key, and the one that it has just replaced')
  })
})

t.test('computes the HMAC of the seal as OpenSSL does (RFC 2104)', async (t) => {
  const keys = await database.admin`select inner_block, outer_block from identity.secret_keys`
  t.ok(keys.length > 1)
  for (const { inner_block, outer_block } of keys) {
    const secret = Buffer.from(inner_block.map((byte: number) => byte ^ 0x36)).subarray(0, 32)
    for (const text of ['', 'a', '牛奶 é', 'x'.repeat(200)]) {
      const [row] =
        await database.admin`select identity.hmac(${inner_block}, ${outer_block}, ${text}) as hmac`
      t.same(row?.hmac, createHmac('sha256', secret).update(text).digest())
    }
  }
})

t.test('shows and does nothing without a key, as after a restore, until one is made', async (t) => {
  await database.admin`delete from identity.secret_keys`
  t.match(await findReadinessFaults(app.database), [
    /^The key that signs the user context is missing: .*app\.rotate_context_key\(\)/,
  ])
  problem(t, await app.inject('/ready'), 503, 'unavailable')
  t.same((await user.ask('GET', '/todos')).json().data, [])
  t.not((await user.ask('POST', '/todos', { title: 'x' })).statusCode, 201)
  const payload = { email: 'nobody@example.com', password: 'wrong horse battery' }
  t.equal((await app.inject({ method: 'POST', url: '/login', payload })).statusCode, 401)

  await owner`select app.rotate_context_key()`
  t.same((await app.inject('/ready')).json(), { status: 'ok' })
  t.ok((await user.ask('GET', '/todos')).json().data.length > 0)
  t.equal((await app.inject({ method: 'POST', url: '/login', payload })).statusCode, 401)
})
