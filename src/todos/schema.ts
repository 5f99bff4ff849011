import { type Static, Type } from '@sinclair/typebox'
import { Id, NewTimestamp, NOT_BLANK, Nullable, Page, Ref, TEXT, Timestamp } from '../schema.ts'

const Title = Type.String({
  minLength: 1,
  maxLength: 200,
  pattern: NOT_BLANK,
  examples: ['Water the plants'],
})
const Notes = Nullable(
  Type.String({ maxLength: 10_000, pattern: TEXT, examples: ['The fern needs more than the cactus.'] }),
)
const Completed = Type.Boolean({ examples: [false] })
const Priority = Type.Integer({
  minimum: 0,
  maximum: 3,
  description: '0 none, 1 low, 2 medium, 3 high.',
  examples: [1],
})
const Tags = Type.Array(
  Type.String({ minLength: 1, maxLength: 50, pattern: NOT_BLANK, examples: ['home'] }),
  {
    maxItems: 20,
    examples: [['home']],
  },
)
const Position = Type.Integer({
  minimum: -2147483648,
  maximum: 2147483647,
  description: "The user's own order.",
  examples: [0],
})

export const Todo = Type.Object(
  {
    id: Id,
    title: Title,
    notes: Notes,
    completed: Completed,
    completed_at: Nullable(Timestamp),
    due_at: Nullable(Timestamp),
    priority: Priority,
    tags: Tags,
    position: Position,
    version: Type.Integer({
      minimum: 1,
      maximum: 2147483647,
      description: 'Grows by one with every change.',
      examples: [1],
    }),
    created_at: Timestamp,
    updated_at: Timestamp,
  },
  { $id: 'Todo' },
)
export type Todo = Static<typeof Todo>

export const NewTodo = Type.Object(
  {
    title: Title,
    notes: Type.Optional(Notes),
    completed: Type.Optional(Completed),
    due_at: Type.Optional(Nullable(NewTimestamp)),
    priority: Type.Optional(Priority),
    tags: Type.Optional(Tags),
    position: Type.Optional(Position),
  },
  { $id: 'NewTodo', additionalProperties: false },
)
export type NewTodo = Static<typeof NewTodo>

export const TodoPatch = Type.Partial(NewTodo, {
  $id: 'TodoPatch',
  additionalProperties: false,
  description: 'A merge patch (RFC 7396): what is absent stays, null clears.',
})
export type TodoPatch = Static<typeof TodoPatch>

export const TodoPage = Type.Object(
  { data: Type.Array(Ref(Todo), { maxItems: 100 }), ...Page },
  { $id: 'TodoPage' },
)
export type TodoPage = Static<typeof TodoPage>

export const TodoParams = Type.Object({ id: Id }, { additionalProperties: false })
