import t from 'tap'
import { createSchemaController } from '../../src/http/validation.ts'
import { findFaults } from '../../src/http/validation-faults.ts'
import type { Schema } from '../../src/http/validation-formats.ts'
import { Batch, Operation, operations } from '../../src/todos/batch-schema.ts'
import { NewTodo, TodoPatch } from '../../src/todos/schema.ts'

// How much of a request is looked at, counted in reads: no clock, no noise.

const schemas = [NewTodo, TodoPatch, ...operations, Operation, Batch]

/** A value whose reads are counted, its parts' too. */
function count<T extends object>(value: T): { value: T; reads: () => number } {
  let reads = 0
  const wrap = <V>(part: V): V =>
    typeof part === 'object' && part !== null
      ? (new Proxy(part, {
          get(target, key, receiver) {
            reads++
            return wrap(Reflect.get(target, key, receiver))
          },
          getOwnPropertyDescriptor(target, key) {
            reads++
            return Reflect.getOwnPropertyDescriptor(target, key)
          },
        }) as V)
      : part
  return { value: wrap(value), reads: () => reads }
}

function validatorOf(schema: Schema) {
  const { buildValidator } = createSchemaController().compilersFactory ?? {}
  const shared = Object.fromEntries(schemas.map((schema) => [schema.$id, schema]))
  const build = buildValidator?.(shared as never, {} as never) as unknown as (route: {
    schema: Schema
    httpPart: string
  }) => (value: unknown) => true | { error: { extras: { errors: object[] } } }
  return build({ schema, httpPart: 'body' })
}

t.test('looks at no item of an array that is too long', async (t) => {
  const validate = validatorOf(Batch as Schema)
  const [few, many] = [101, 127_000].map((length) => {
    const { value, reads } = count({ operations: Array(length).fill(0) })
    const result = validate(value)
    if (result === true) throw new Error('accepted')
    t.match(result.error.extras.errors, [{ pointer: '/operations', code: 'too_many_items' }])
    t.equal(result.error.extras.errors.length, 1)
    return reads()
  })
  t.equal(many, few, 'the work is the same for 101 items and for 127,000')
})

t.test('stops after twenty faults and after a bounded number of values', async (t) => {
  const validate = validatorOf(Batch as Schema)
  const wrong = { op: 'create', todo: { title: '', tags: Array(20).fill(''), extra: 1 } }
  const readsOf = (length: number) => {
    const { value, reads } = count({ operations: Array(length).fill(wrong) })
    const result = validate(value)
    t.equal(result !== true && result.error.extras.errors.length, 20)
    return reads()
  }
  t.equal(readsOf(100), readsOf(2), 'what follows the twentieth fault is not looked at')

  const deep = { type: 'array', items: { type: 'array', items: { type: 'integer' } } }
  const { value, reads } = count(Array(100).fill(Array(1000).fill(1)))
  t.same(
    findFaults(deep, value, () => ({})),
    [],
  )
  t.ok(reads() < 50_000, `${reads()} reads of 100,000 values`)

  const members = Object.fromEntries(Array.from({ length: 30_000 }, (_, n) => [`m${n}`, 1]))
  const all = { type: 'object', additionalProperties: false, properties: { ...members } } as unknown as Schema
  t.same(findFaults({ ...all, properties: {} }, members, () => ({})).length, 20)
  t.same(
    findFaults({ type: 'object', additionalProperties: false, properties: {} }, {}, () => ({})),
    [],
  )
})
