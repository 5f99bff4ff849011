import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { setUp } from '../support/app.ts'

const text = readFileSync('openapi/openapi.json', 'utf8')
const committed = JSON.parse(text)

t.test('is written from the schemas, and the committed document is current', async (t) => {
  const { argv } = process
  t.teardown(() => (process.argv = argv))
  const file = join(t.testdir(), 'openapi.json')
  process.argv = [...argv.slice(0, 2), file]
  await import('../../src/openapi/write.ts')
  t.equal(readFileSync(file, 'utf8'), text, 'npm run openapi updates it')
})

t.test('names its schemas, and the errors of every operation', async (t) => {
  t.equal(committed.openapi, '3.1.0')
  t.ok('Todo' in committed.components.schemas)
  t.notOk(Object.keys(committed.components.schemas).some((name) => name.startsWith('def-')))
  type Operations = Record<string, { responses: object; security: object[] }>
  for (const [path, operations] of Object.entries<Operations>(committed.paths))
    for (const [method, { responses, security }] of Object.entries(operations)) {
      const errors = ['429', '500', '503', ...(security.length > 0 ? ['403'] : [])]
      t.ok(
        errors.every((status) => status in responses),
        `${method} ${path} names its errors`,
      )
      // A login fails with 403 when the operator has locked the account.
      t.equal('403' in responses, security.length > 0 || path === '/login', `${method} ${path}`)
    }
})

t.test('is served as JSON and YAML, with the explorer', async (t) => {
  const { app } = await setUp(t)
  t.match((await app.inject('/docs')).body, 'swagger-ui')
  t.match((await app.inject('/docs/json')).json(), { openapi: '3.1.0' })
  t.match((await app.inject('/docs/yaml')).body, 'openapi: 3.1.0')
})
