import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { DatabaseError } from 'pg'
import t from 'tap'
import { createApp, problem, setUp, signUp, type TestUser } from '../support/app.ts'
import { arbitraryOf, asText, type Operation, type Schema } from './arbitraries.ts'

// Values at and beyond every boundary of every input, made from the OpenAPI document: none may end in a 5xx, and what
// is accepted is returned exactly, and accepted again. BOUNDARY_RUNS says how many for each operation.
const numRuns = Number(process.env.BOUNDARY_RUNS ?? 25)
const seed = Number(process.env.BOUNDARY_SEED ?? Date.now() % 2 ** 31)

const { paths, components } = JSON.parse(readFileSync('openapi/openapi.json', 'utf8')) as {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema> }
}
const { app, database } = await setUp(t)

/** The instant that a date-time means, in microseconds: its offset is not returned. */
const instantOf = (text: string) =>
  BigInt(Date.parse(text.replace(/\.\d+/, ''))) * 1000n +
  BigInt(Number((/\.(\d+)/.exec(text)?.[1] ?? '0').padEnd(6, '0')))
const same = (name: string, value: unknown) =>
  name.endsWith('_at') && typeof value === 'string' ? instantOf(value) : value
const comparable = (body: object, names: string[]) =>
  names.map((name) => [name, same(name, (body as Record<string, unknown>)[name])])

for (const [path, operations] of Object.entries(paths))
  for (const [method, { parameters = [], requestBody }] of Object.entries(operations)) {
    const name = `${method.toUpperCase()} ${path}`
    const schema = requestBody?.content['application/json']?.schema
    const inputs = parameters.filter(({ in: place, schema }) => place !== 'path' || schema)
    if (!schema && inputs.length === 0) continue
    t.test(`${name} answers no value with a 5xx: seed ${seed}`, async (t) => {
      let user: TestUser = await signUp(app)
      const { id } = (await user.ask('POST', '/todos', { title: 'a' })).json()
      const drawn = fc.record({
        body: schema ? arbitraryOf(schema, components.schemas) : fc.constant(undefined),
        parameters: fc.record(
          Object.fromEntries(
            inputs.map((parameter) => [
              parameter.name,
              fc.option(arbitraryOf(parameter.schema, components.schemas), { nil: undefined, freq: 2 }),
            ]),
          ),
        ),
      })
      const property = fc.asyncProperty(drawn, async ({ body, parameters }) => {
        const [query, headers] = [new URLSearchParams(), {} as Record<string, string>]
        let url = path.replace('{id}', id)
        for (const { name, in: place } of inputs) {
          const value = parameters[name]
          if (value === undefined) continue
          // A lone surrogate cannot be percent-encoded.
          const encoded = () => encodeURIComponent(Buffer.from(asText(value)).toString())
          if (place === 'path') url = path.replace(`{${name}}`, encoded)
          else if (place === 'query') query.append(name, asText(value))
          else if (/^[\x20-\x7e\x80-\xff]*$/.test(asText(value))) headers[name] = asText(value)
        }
        if (query.size > 0) url += `?${query}`
        const answer = await user.ask(method.toUpperCase() as 'POST', url, body, headers)
        if (answer.statusCode >= 500) throw new Error(`${answer.statusCode} ${url} ${JSON.stringify(body)}`)
        if (/cannot be stored/.test(answer.body))
          throw new Error(`Only PostgreSQL refused ${JSON.stringify(body)}`)
        if (answer.statusCode === 400) problem(t, answer, 400, answer.json().code)
        if (path === '/me' || path === '/logout') user = await signUp(app)
        if (answer.statusCode >= 300 || !/^\/todos(\/\{id\})?$|^\/tokens$/.test(path) || !body) return
        const names = Object.keys(body as object)
        t.same(
          comparable(answer.json(), names),
          comparable(body as object, names),
          'is returned as it was sent',
        )
        if (path === '/tokens') return
        const { title, notes, completed, due_at, priority, tags, position, ...rest } = answer.json()
        const returned = { title, notes, completed, due_at, priority, tags, position }
        const again = await user.ask('PATCH', `/todos/${rest.id}`, returned)
        t.equal(again.statusCode, 200, again.body)
        t.match(again.json(), returned)
      })
      await fc.assert(property, { numRuns, seed, endOnFailure: true })
      t.pass()
    })
  }

t.test('refuses date-times that PostgreSQL refuses, or that could not be sent back', async (t) => {
  const user = await signUp(app)
  const cases: [string, 'wrong_format' | 'out_of_range' | 'ok'][] = [
    ['2026-12-24T18:00:00+15:59', 'ok'],
    ['2026-12-24T18:00:00-15:59', 'ok'],
    ['2026-12-24T18:00:00+16:00', 'wrong_format'],
    ['2026-12-24T18:00:00-16:00', 'wrong_format'],
    ['2026-12-24T18:00:00+23:59', 'wrong_format'],
    ['2026-12-24T18:00:00+00:60', 'wrong_format'],
    ['2026-12-24T18:00:00', 'wrong_format'],
    ['2026-12-24T18:00:00z', 'wrong_format'],
    ['2026-12-24 18:00:00Z', 'wrong_format'],
    ['2026-12-24T24:00:00Z', 'wrong_format'],
    ['2026-12-24T23:59:60Z', 'wrong_format'],
    ['2026-12-24T18:00:00.1234567Z', 'wrong_format'],
    ['2026-02-29T00:00:00Z', 'wrong_format'],
    ['2028-02-29T00:00:00Z', 'ok'],
    ['2026-00-10T00:00:00Z', 'wrong_format'],
    ['2026-01-00T00:00:00Z', 'wrong_format'],
    ['1900-01-01T00:00:00Z', 'ok'],
    ['1900-01-01T00:00:00+14:00', 'out_of_range'],
    ['1899-12-31T23:00:00-01:00', 'ok'],
    ['2999-12-31T23:59:59.999999Z', 'ok'],
    ['2999-12-31T23:59:59-00:01', 'out_of_range'],
    ['3000-01-01T00:30:00+01:00', 'ok'],
    ['0000-01-01T00:00:00Z', 'out_of_range'],
  ]
  for (const [due_at, code] of cases) {
    const { id } = (await user.ask('POST', '/todos', { title: 'a' })).json()
    const filter = `due_before=${encodeURIComponent(due_at)}`
    for (const answer of [
      await user.ask('POST', '/todos', { title: 'a', due_at }),
      await user.ask('PATCH', `/todos/${id}`, { due_at }),
      await user.ask('POST', '/todos/batch', { operations: [{ op: 'update', id, todo: { due_at } }] }),
      await user.ask('GET', `/todos?${filter}`),
      await user.ask('POST', '/tokens', { name: 'a', scopes: ['account'], expires_at: due_at }),
    ]) {
      const errors = answer.json().errors ?? [{ code: 'ok' }]
      // A token must expire in the future.
      if (errors[0].code !== 'past') t.match(errors, [{ code }], `${due_at} ${answer.body}`)
    }
  }
})

t.test('maps values that only PostgreSQL rejects to a client error, and logs the cause', async (t) => {
  const lines: string[] = []
  const logTo = { write: (line: string) => lines.push(line) } as unknown as NodeJS.WritableStream
  const logging = await createApp(t, database, { LOG_LEVEL: 'error' }, { logTo })
  const user = await signUp(logging)
  for (const [sqlstate, status, code] of [
    ['22008', 400, 'invalid_request'],
    ['23514', 400, 'invalid_request'],
    ['54000', 400, 'invalid_request'],
    ['23505', 409, 'conflict'],
    ['23503', 401, 'revoked_token'],
    ['XX000', 500, 'internal'],
  ] as const) {
    const { withUser } = logging.database
    logging.database.withUser = (credential, mode) =>
      withUser(credential, mode, async () => {
        throw Object.assign(new DatabaseError('the cause', 9, 'error'), { code: sqlstate })
      })
    problem(t, await user.ask('POST', '/todos', { title: 'a' }), status, code)
    logging.database.withUser = withUser
    if (code !== 'revoked_token') t.match(lines.splice(0).join(), 'the cause', sqlstate)
  }
})
