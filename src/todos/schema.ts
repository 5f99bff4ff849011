import { type Static, Type } from '@sinclair/typebox'
import {
  Id,
  NewTimestamp,
  NOT_BLANK,
  Nullable,
  Page,
  PageQuery,
  Ref,
  TEXT,
  Timestamp,
} from '../http/schemas.ts'

const MAX_TITLE = 200
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
const Completed = Type.Boolean({ description: 'Whether it is done.', examples: [false] })
const Priority = Type.Integer({
  minimum: 0,
  maximum: 3,
  description: '0 none, 1 low, 2 medium, 3 high.',
  examples: [1],
})
const Tags = Type.Array(
  Type.String({ 'x-normalize': 'NFC', minLength: 1, maxLength: 50, pattern: NOT_BLANK, examples: ['home'] }),
  {
    'x-distinct': true,
    maxItems: 20,
    description: 'A set, in the order given: a tag is kept in Unicode NFC, and once.',
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

/** In base64url the direction, the id and the longest key, a title of four bytes a character; and the signature. */
const MAX_CURSOR = Math.ceil(((1 + 36 + 1 + 4 * MAX_TITLE) * 4) / 3) + 1 + 22
const cursor = Type.String({ minLength: 1, maxLength: MAX_CURSOR, pattern: '^[\\w-]+\\.[\\w-]+$' })

export const TodoPage = Type.Object(
  {
    data: Type.Array(Ref(Todo), { maxItems: 100 }),
    ...Page,
    offset: Nullable(Page.offset, { description: 'Null when a cursor was sent.' }),
    next_cursor: Nullable(cursor, {
      description: 'For the `cursor` parameter of the next page; null when there is none.',
      examples: [null],
    }),
    total: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 2147483647,
        description: 'How many there are on all pages, with `count=exact`.',
        examples: [1],
      }),
    ),
  },
  { $id: 'TodoPage' },
)
export type TodoPage = Static<typeof TodoPage>

export const sortKeys = ['created_at', 'updated_at', 'due_at', 'priority', 'position', 'title'] as const
export type SortKey = (typeof sortKeys)[number]
export type Sort = SortKey | `-${SortKey}`

/** What restricts a list; together with the sort, what its cursors are bound to. */
const filters = {
  completed: Type.Optional(
    Type.Boolean({ ...Completed, description: 'Only completed todos, or only open ones.' }),
  ),
  priority: Type.Optional(Priority),
  tag: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 50,
      'x-normalize': 'NFC',
      pattern: TEXT,
      description: 'Has this tag; compared in Unicode NFC.',
      examples: ['home'],
    }),
  ),
  q: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 200,
      pattern: NOT_BLANK,
      description: 'Has every one of these words in title or notes, whatever their case and accents.',
      examples: ['plants'],
    }),
  ),
  due_before: Type.Optional(Type.String({ ...NewTimestamp, description: 'Is due before this time.' })),
  due_after: Type.Optional(Type.String({ ...NewTimestamp, description: 'Is due after this time.' })),
}

export const TodoQuery = Type.Object(
  {
    ...filters,
    sort: Type.Unsafe<Sort>(
      Type.Optional(
        Type.String({
          enum: sortKeys.flatMap((key) => [key, `-${key}`]),
          default: '-created_at',
          description:
            '`-` is descending. The id breaks ties. What is never due comes last, and first descending.',
        }),
      ),
    ),
    limit: PageQuery.properties.limit,
    offset: Type.Optional(Type.Integer({ ...Page.offset, description: 'Not together with `cursor`.' })),
    cursor: Type.Optional(
      Type.String({
        ...cursor,
        description: 'The `next_cursor` of the page before, with the same filters and sort.',
      }),
    ),
    count: Type.Optional(Type.Literal('exact', { description: 'Adds `total`.' })),
  },
  { additionalProperties: false },
)
export type TodoQuery = Static<typeof TodoQuery>

export const TodoParams = Type.Object({ id: Id }, { additionalProperties: false })
