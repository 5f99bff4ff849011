import { type Static, Type } from '@sinclair/typebox'
import { fragment } from '../database/transaction.ts'
import { Id, NewTimestamp, NOT_BLANK, Nullable, TEXT, Timestamp } from '../http/schemas.ts'

export const MAX_TITLE = 200
const Title = Type.String({
  minLength: 1,
  maxLength: MAX_TITLE,
  pattern: NOT_BLANK,
  description: 'Kept exactly as sent.',
  examples: ['Water the plants'],
})
const Notes = Nullable(
  Type.String({
    maxLength: 10_000,
    pattern: TEXT,
    description: 'Kept exactly as sent.',
    examples: ['The fern needs more than the cactus.'],
  }),
)
export const Completed = Type.Boolean({ description: 'Whether it is done.', examples: [false] })
export const Priority = Type.Integer({
  minimum: 0,
  maximum: 3,
  description: '0 none, 1 low, 2 medium, 3 high.',
  examples: [1],
})
/** A tag is found by its text, so it is kept in one spelling. */
export const tag = {
  'x-normalize': 'NFC',
  minLength: 1,
  maxLength: 50,
  pattern: NOT_BLANK,
  examples: ['home'],
}
export const MAX_TAGS = 20
const Tags = Type.Array(Type.String(tag), {
  'x-distinct': true,
  maxItems: MAX_TAGS,
  description: 'A set, in the order given: a tag is kept in Unicode NFC, and once.',
  examples: [['home']],
})
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

/** The columns that make a {@link Todo}. */
export const todoColumns = fragment`
  id, title, notes, completed, completed_at, due_at, priority, tags, position, version, created_at, updated_at`

/** The columns that a todo takes into the trash and out of it, and its version. */
export const movedColumns = fragment`
  id, title, notes, folded_title, folded_notes, completed, completed_at, due_at, priority, tags, position, created_at`

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

export const TodoParams = Type.Object({ id: Id }, { additionalProperties: false })
