import { type Static, Type } from '@sinclair/typebox'
import { Id, Ref } from '../http/schemas.ts'
import { NewTodo, Todo, TodoPatch } from './schema.ts'

export const BulkQuery = Type.Object(
  {
    completed: Type.Optional(
      Type.Literal(true, { description: 'Only those that are completed.', examples: [true] }),
    ),
    all: Type.Optional(Type.Literal(true, { description: 'All of them.' })),
  },
  { additionalProperties: false },
)

const CreateOperation = Type.Object(
  { op: Type.Literal('create'), todo: Ref(NewTodo) },
  { $id: 'CreateOperation', additionalProperties: false },
)
const UpdateOperation = Type.Object(
  { op: Type.Literal('update'), id: Id, todo: Ref(TodoPatch) },
  { $id: 'UpdateOperation', additionalProperties: false },
)
const DeleteOperation = Type.Object(
  { op: Type.Literal('delete'), id: Id },
  { $id: 'DeleteOperation', additionalProperties: false },
)
/** Registered before {@link Operation}, which refers to them. */
export const operations = [CreateOperation, UpdateOperation, DeleteOperation] as const

export const Operation = Type.Unsafe<Static<(typeof operations)[number]>>({
  $id: 'Operation',
  type: 'object',
  required: ['op'],
  discriminator: { propertyName: 'op' },
  oneOf: operations.map((schema) => Ref(schema)),
})
export type Operation = Static<typeof Operation>

export const Batch = Type.Object(
  { operations: Type.Array(Ref(Operation), { minItems: 1, maxItems: 100 }) },
  { $id: 'Batch', additionalProperties: false },
)

export const BatchResults = Type.Object(
  {
    results: Type.Array(
      Type.Object({
        op: Type.Union([Type.Literal('create'), Type.Literal('update'), Type.Literal('delete')]),
        id: Id,
        todo: Type.Optional(Ref(Todo)),
      }),
      { maxItems: 100, description: 'In the order of the operations.' },
    ),
  },
  { $id: 'BatchResults' },
)
export type BatchResults = Static<typeof BatchResults>

export const Deleted = Type.Object(
  { deleted: Type.Integer({ minimum: 0, maximum: 2147483647, description: 'How many.', examples: [3] }) },
  { $id: 'Deleted' },
)
