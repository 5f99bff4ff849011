import { type Static, Type } from '@sinclair/typebox'
import { Nullable, Page, PageQuery, Ref, Timestamp } from '../http/schemas.ts'
import { Todo } from './schema.ts'

export const TrashedTodo = Type.Object(
  {
    ...Todo.properties,
    deleted_at: Timestamp,
    expires_at: Type.String({
      ...Timestamp,
      description: 'When it is removed for good. RFC 3339, in UTC.',
    }),
  },
  { $id: 'TrashedTodo', description: 'A deleted todo.' },
)
export type TrashedTodo = Static<typeof TrashedTodo>

const cursor = Type.String({ minLength: 1, maxLength: 200, pattern: '^[\\w-]+\\.[\\w-]+$' })

export const TrashPage = Type.Object(
  {
    data: Type.Array(Ref(TrashedTodo), { maxItems: 100 }),
    limit: Page.limit,
    has_more: Page.has_more,
    next_cursor: Nullable(cursor, {
      description: 'For the `cursor` parameter of the next page; null when there is none.',
      examples: [null],
    }),
  },
  { $id: 'TrashPage' },
)

export const TrashQuery = Type.Object(
  {
    limit: PageQuery.properties.limit,
    cursor: Type.Optional(Type.String({ ...cursor, description: 'The `next_cursor` of the page before.' })),
  },
  { additionalProperties: false },
)

export const EmptyTrashQuery = Type.Object(
  { all: Type.Literal(true, { description: 'Confirms that all of them are meant.', examples: [true] }) },
  { additionalProperties: false },
)
