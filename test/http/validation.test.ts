import { readFileSync } from 'node:fs'
import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import t from 'tap'
import { Problem } from '../../src/http/problem-schema.ts'
import { handleErrors } from '../../src/http/problems.ts'
import { createSchemaController } from '../../src/http/validation.ts'
import type { Schema } from '../../src/http/validation-formats.ts'
import { Batch, Operation, operations } from '../../src/todos/batch-schema.ts'
import { NewTodo, TodoPatch } from '../../src/todos/schema.ts'

interface Named {
  pointer?: string
  parameter?: string
  code: string
  message: string
}
const schemas = [NewTodo, TodoPatch, ...operations, Operation, Batch]
/** An app whose one route takes a body of this schema, and returns the errors of a request. */
function createApp(body: object) {
  const app = Fastify({ schemaController: createSchemaController() as object, bodyLimit: 2 ** 18 })
  handleErrors(app)
  for (const schema of schemas) app.addSchema(schema)
  app.post('/', { schema: { body } }, async () => ({}))
  const post = (payload: string) =>
    app.inject({ method: 'POST', url: '/', headers: { 'content-type': 'application/json' }, payload })
  return {
    app,
    post,
    errorsOf: async (body: unknown): Promise<Named[]> => (await post(JSON.stringify(body))).json().errors,
  }
}

t.test('names every wrong member of a body with a code and what is allowed', async (t) => {
  const { errorsOf } = createApp(Type.Ref('NewTodo'))
  const date = 'must be a date-time with a UTC offset, for example 2026-12-24T18:00:00+01:00, or null'
  const allowed = 'title, notes, completed, due_at, priority, tags, position'
  const cases: [body: unknown, pointer: string, code: string, message: string][] = [
    [{}, '/title', 'required', 'is required'],
    [{ title: 1 }, '/title', 'wrong_type', 'must be a string'],
    [{ title: '' }, '/title', 'too_short', 'must have 1 to 200 characters'],
    [{ title: '🌱'.repeat(201) }, '/title', 'too_long', 'must have 1 to 200 characters'],
    [{ title: ' \u2003' }, '/title', 'blank', 'must contain more than white space'],
    [{ title: '\0' }, '/title', 'wrong_character', 'must not contain U+0000 or an unpaired surrogate'],
    [{ title: 'a', notes: 7 }, '/notes', 'wrong_type', 'must be a string, or null'],
    [{ title: 'a', completed: 0 }, '/completed', 'wrong_type', 'must be true or false'],
    [{ title: 'a', priority: 4 }, '/priority', 'out_of_range', 'must be a whole number from 0 to 3'],
    [{ title: 'a', priority: 0.5 }, '/priority', 'wrong_type', 'must be a whole number from 0 to 3'],
    [{ title: 'a', priority: -1 }, '/priority', 'out_of_range', 'must be a whole number from 0 to 3'],
    [{ title: 'a', tags: {} }, '/tags', 'wrong_type', 'must be an array of 0 to 20 items'],
    [
      { title: 'a', tags: Array(21).fill('a') },
      '/tags',
      'too_many_items',
      'must be an array of 0 to 20 items',
    ],
    [{ title: 'a', tags: ['a', 2] }, '/tags/1', 'wrong_type', 'must be a string'],
    [{ title: 'a', due_at: 'soon' }, '/due_at', 'wrong_format', date],
    [{ title: 'a', due_at: 1 }, '/due_at', 'wrong_type', date],
    [{ title: 'a', 'x/~': 1 }, '/x~1~0', 'unknown_member', `is not recognised; allowed: ${allowed}`],
    [[], '', 'wrong_type', 'must be an object'],
  ]
  for (const [body, pointer, code, message] of cases)
    t.same(await errorsOf(body), [{ pointer, code, message }], JSON.stringify(body).slice(0, 60))
  const several = { title: '', priority: 9, tags: ['', 'a'.repeat(51)], colour: 'red' }
  t.same(
    (await errorsOf(several)).map(({ pointer }) => pointer),
    ['/title', '/priority', '/tags/0', '/tags/1', '/colour'],
  )
})

t.test('compares an operation with the schema of its kind', async (t) => {
  const { errorsOf } = createApp(Type.Ref('Batch'))
  const kinds = 'must be one of create, update, delete'
  const cases: [operation: unknown, pointer: string, code: string, message: string][] = [
    [0, '', 'wrong_type', 'must be an object'],
    [{}, '/op', 'required', 'is required'],
    [{ op: 'upsert' }, '/op', 'not_one_of', kinds],
    [{ op: 'delete' }, '/id', 'required', 'is required'],
    [
      { op: 'delete', id: 'x' },
      '/id',
      'wrong_format',
      'must be a UUID, for example 0198f2c4-7d1a-7c3e-9f55-0d6a4f0b1c2d',
    ],
    [
      { op: 'create', todo: { title: 'a' }, x: 1 },
      '/x',
      'unknown_member',
      'is not recognised; allowed: op, todo',
    ],
  ]
  for (const [operation, pointer, code, message] of cases)
    t.same(await errorsOf({ operations: [operation] }), [
      { pointer: `/operations/0${pointer}`, code, message },
    ])
  t.match(await errorsOf({ operations: [] }), [
    { code: 'too_few_items', message: 'must be an array of 1 to 100 items' },
  ])
})

t.test('explains texts, constants and sets', async (t) => {
  const printable = { type: 'string', pattern: '^[\\x20-\\x7e]+$' }
  const cases: [schema: object, value: unknown, code: string, message: string][] = [
    [printable, 'ä', 'wrong_character', 'must contain only printable ASCII characters'],
    [
      { type: 'string', pattern: '^a$', examples: ['a'] },
      'b',
      'wrong_format',
      'has the wrong form; an example is a',
    ],
    [{ type: 'string', pattern: '^a$' }, 'b', 'wrong_format', 'has the wrong form'],
    [
      { type: 'string', pattern: '^a$', format: 'uuid' },
      '0198f2c4-7d1a-7c3e-9f55-0d6a4f0b1c2d',
      'wrong_format',
      'must be a UUID, for example 0198f2c4-7d1a-7c3e-9f55-0d6a4f0b1c2d',
    ],
    [{ type: 'string', minLength: 2 }, 'a', 'too_short', 'must have at least 2 characters'],
    [{ type: 'string', format: 'password' }, 'short', 'wrong_length', 'must have 8 to 128 characters'],
    [{ const: 'exact' }, 'x', 'not_one_of', 'must be exact'],
    [{ enum: ['exact'] }, 'x', 'not_one_of', 'must be exact'],
    [{ enum: ['a', 'b'] }, 'x', 'not_one_of', 'must be one of a, b'],
    [
      { type: 'array', items: { type: 'string' }, uniqueItems: true },
      ['a', 'a'],
      'not_unique',
      'must not contain an item twice',
    ],
    [
      { type: 'object', properties: {}, additionalProperties: false },
      { a: 1 },
      'unknown_member',
      'is not recognised',
    ],
  ]
  for (const [schema, value, code, message] of cases) {
    const [error] = await createApp(schema).errorsOf(value)
    t.match(error, { code, message }, JSON.stringify(schema))
  }
})

t.test('names what it cannot explain all the same', async (t) => {
  const { errorsOf } = createApp({ type: 'object', properties: { n: { type: 'integer', multipleOf: 2 } } })
  t.same(await errorsOf({ n: 3 }), [{ pointer: '/n', code: 'invalid', message: 'is not valid' }])
})

t.test('knows every keyword that the schemas of requests use', async (t) => {
  const { paths, components } = JSON.parse(readFileSync('openapi/openapi.json', 'utf8'))
  const known =
    /^(\$ref|title|type|properties|required|additionalProperties|items|(min|max)(Items|Length|imum)|uniqueItems|pattern|format|enum|const|oneOf|discriminator|description|examples|default|x-(normalize|distinct))$/
  const seen = new Set<unknown>()
  function check(schema: Schema): void {
    if (seen.has(schema)) return
    seen.add(schema)
    for (const keyword of Object.keys(schema)) t.match(keyword, known)
    const { $ref, properties = {}, items, oneOf = [] } = schema
    if ($ref) check(components.schemas[$ref.replace(/.*\//, '')])
    for (const part of [...Object.values(properties), ...oneOf, ...(items ? [items] : [])]) check(part)
  }
  for (const operation of Object.values(paths).flatMap((path) => Object.values(path as object))) {
    for (const parameter of operation.parameters ?? []) check(parameter.schema)
    for (const media of Object.values(operation.requestBody?.content ?? {}))
      check((media as { schema: Schema }).schema)
  }
  t.ok(seen.size > 40, `${seen.size} schemas`)
})

t.test('keeps pointers short, escaped and well-formed for any member name', async (t) => {
  const { errorsOf } = createApp(Type.Ref('NewTodo'))
  const limit = Problem.properties.errors.items.properties.pointer.maxLength as number
  for (const name of [
    '~'.repeat(5000),
    '/'.repeat(5000),
    '🌱'.repeat(5000),
    `${'x'.repeat(79)}🌱`,
    '\ud800',
    '\0',
    '',
    'constructor',
    'toString',
  ]) {
    const [error] = await errorsOf({ title: 'a', [name]: 1 })
    const pointer = `${error?.pointer}`
    t.equal(error?.code, 'unknown_member')
    t.ok(pointer.startsWith('/') && pointer.length <= limit, `${pointer.length} characters`)
    t.notMatch(pointer, /[\0\p{Surrogate}]|~(?![01])/u)
  }
})

t.test('refuses what is nested as deep as a body can be', async (t) => {
  const { post } = createApp(Type.Ref('NewTodo'))
  for (const open of ['[', '{"a":'])
    for (const text of [
      open.repeat(2 ** 18 / open.length - 20),
      `${open.repeat(2 ** 16 / open.length)}1${(open === '[' ? ']' : '}').repeat(2 ** 16 / open.length)}`,
    ]) {
      t.equal((await post(text)).statusCode, 400)
      t.equal((await post(`{"title":${text}}`)).statusCode, 400)
    }
})

t.test('fails to start with a schema that is broken', async (t) => {
  const broken: [object, RegExp][] = [
    [{ type: 'strnig' }, /type/],
    [{ type: 'string', format: 'colour' }, /unknown format "colour"/],
    [{ type: 'string', maxlength: 3 }, /unknown keyword/],
    [{ type: 'string', pattern: '(' }, /regular expression/i],
    [Type.Ref('Nothing'), /Nothing/],
  ]
  for (const [schema, message] of broken)
    await t.rejects(async () => createApp(schema).app.ready(), { message })
  const { app } = createApp(Type.Ref('NewTodo'))
  await app.register(async (other) => {
    other.addSchema({ $id: 'Other', type: 'string' })
    other.post('/other', { schema: { body: Type.Ref('Other') } }, async () => ({}))
  })
  await app.register(async (other) => {
    other.addSchema({ $id: 'Other', type: 'integer' })
    other.post('/another', { schema: { body: Type.Ref('Other') } }, async () => ({}))
  })
  await t.rejects(async () => app.ready(), /Two different schemas have the id Other/)
})
