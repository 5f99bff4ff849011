import { type Static, Type } from '@sinclair/typebox'
import { Id, Ref } from '../schema.ts'
import { NewTodo, Todo, TodoPatch } from './schema.ts'

export const BulkQuery = Type.Object(
  {
    completed: Type.Optional(Type.Boolean({ examples: [true] })),
    all: Type.Optional(Type.Literal(true, { description: 'All of them, and no other filter.' })),
  },
  { additionalProperties: false },
)

export const Operation = Type.Unsafe<
  | { op: 'create'; todo: NewTodo }
  | { op: 'update'; id: string; todo: TodoPatch }
  | { op: 'delete'; id: string }
>({
  $id: 'Operation',
  type: 'object',
  required: ['op'],
  discriminator: { propertyName: 'op' },
  oneOf: [
    Type.Object({ op: Type.Literal('create'), todo: Ref(NewTodo) }, { additionalProperties: false }),
    Type.Object(
      { op: Type.Literal('update'), id: Id, todo: Ref(TodoPatch) },
      { additionalProperties: false },
    ),
    Type.Object({ op: Type.Literal('delete'), id: Id }, { additionalProperties: false }),
  ],
})

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
