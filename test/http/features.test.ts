import Fastify from 'fastify'
import t from 'tap'
import features from '../../src/http/features.ts'
import { setUp } from '../support/app.ts'

const { app, database } = await setUp(t)

t.test('refuses a feature whose rows would be missing from the export', async (t) => {
  const bare = Fastify()
  await bare.register(features)
  bare.addFeature({ name: 'early', description: '', exports: {} })
  bare.takeExports()
  bare.addFeature({ name: 'without rows', description: '' })
  t.throws(
    () => bare.addFeature({ name: 'late', description: '', exports: {} }),
    /Register late before account, which exports its rows/,
  )
  t.same(
    bare.features.map(({ name }) => name),
    ['early', 'without rows'],
  )
})

t.test('every tag of an operation is a registered feature', async (t) => {
  const names = app.features.map(({ name }) => name)
  t.equal(new Set(names).size, names.length, 'each once')
  for (const [path, operations] of Object.entries(app.swagger().paths ?? {}))
    for (const { tags } of Object.values(operations as Record<string, { tags: string[] }>))
      t.ok(tags.length === 1 && names.includes(`${tags[0]}`), path)
})

t.test('the export has a member for every table of the public schema that a user owns', async (t) => {
  const tables = await database.admin<{ name: string }[]>`
    select relname as name from pg_class join pg_attribute on attrelid = pg_class.oid
    where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace and attname = 'user_id'`
  const { Export } = (app.swagger() as unknown as { components: { schemas: Record<string, object> } })
    .components.schemas
  const members = Object.keys((Export as { properties: object }).properties)
  t.ok(tables.length >= 2)
  // What was answered to a key, and the log of changes, repeat what the other tables have.
  for (const { name } of tables.filter(({ name }) => !['idempotency_keys', 'todo_changes'].includes(name)))
    t.ok(members.includes(name), name)
  t.ok(['user', 'sessions', 'tokens', 'events'].every((name) => members.includes(name)))
})
