import { type Static, Type } from '@sinclair/typebox'
import { Defaulted, NewTimestamp, NOT_BLANK, Nullable, Page, PageQuery, Ref, TEXT } from '../http/schemas.ts'
import { Completed, MAX_TAGS, MAX_TITLE, Priority, Todo, tag } from './schema.ts'

/** Titles are sorted by so many characters of their folded form, which can be longer than the title. */
export const MAX_TITLE_KEY = MAX_TITLE
/** In base64url the direction, the id and the longest key, a title of four bytes a character; and the signature. */
const MAX_CURSOR = Math.ceil(((1 + 36 + 1 + 4 * MAX_TITLE_KEY) * 4) / 3) + 1 + 22
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
  completed: Type.Optional(Completed),
  priority: Type.Optional(Priority),
  tag: Type.Optional(
    Type.Array(Type.String({ ...tag, pattern: TEXT }), {
      'x-distinct': true,
      minItems: 1,
      maxItems: MAX_TAGS,
      description: 'Todos with this tag. If repeated, with all of them.',
      examples: [['home']],
    }),
  ),
  q: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 200,
      pattern: NOT_BLANK,
      description:
        'Words that the title or notes must all contain, also inside a word. Ignores case and accents.',
      examples: ['plants'],
    }),
  ),
  due: Type.Optional(
    Type.Literal('none', { description: 'Todos without a due date. Not with `due_from` or `due_before`.' }),
  ),
  due_from: Type.Optional(Type.String({ ...NewTimestamp, description: 'Due at this time or later.' })),
  due_before: Type.Optional(Type.String({ ...NewTimestamp, description: 'Due before this time.' })),
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
            '`-` sorts descending. `title` ignores case and accents. `due_at` puts todos without a date last, `-due_at` first.',
        }),
      ),
    ),
    limit: PageQuery.properties.limit,
    offset: Type.Optional(Type.Integer({ ...Page.offset, description: 'Not together with `cursor`.' })),
    cursor: Type.Optional(
      Type.String({
        ...cursor,
        description: 'The `next_cursor` of the previous page, with the same filters and sort.',
      }),
    ),
    count: Type.Optional(Type.Literal('exact', { description: 'Adds `total` to the page.' })),
  },
  { additionalProperties: false },
)
export type TodoQuery = Static<typeof TodoQuery>

const TagCount = Type.Object({
  tag: Type.String(tag),
  count: Type.Integer({
    minimum: 1,
    maximum: 2147483647,
    description: 'How many todos have it.',
    examples: [3],
  }),
})
export type TagCount = Static<typeof TagCount>

const tagLimit = { minimum: 1, maximum: 1000, description: 'Tags per page.', examples: [100] }
export const TagPage = Type.Object(
  { data: Type.Array(TagCount, { maxItems: tagLimit.maximum }), ...Page, limit: Type.Integer(tagLimit) },
  { $id: 'TagPage' },
)
export type TagPage = Static<typeof TagPage>

export const TagQuery = Type.Object(
  {
    limit: Defaulted(Type.Integer({ ...tagLimit, default: 100 })),
    offset: PageQuery.properties.offset,
  },
  { additionalProperties: false },
)
export type TagQuery = Static<typeof TagQuery>
