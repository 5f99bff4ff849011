import { type Static, Type } from '@sinclair/typebox'
import { Defaulted, Id, Page, Ref } from '../http/schemas.ts'
import { Todo } from './schema.ts'

const token = { minLength: 1, maxLength: 300, pattern: '^[\\w-]+\\.[\\w-]+$' }
const limit = { minimum: 1, maximum: 100, description: 'The maximum number of changes on a page.' }

const Change = Type.Object({
  op: Type.Union([Type.Literal('upsert'), Type.Literal('delete')], {
    description: '`upsert`: store `todo` in place of what you have. `delete`: remove what you have.',
    examples: ['upsert'],
  }),
  id: Id,
  todo: Type.Optional(Ref(Todo)),
})
export type Change = Static<typeof Change>

export const ChangePage = Type.Object(
  {
    changes: Type.Array(Change, { maxItems: limit.maximum, description: 'To be applied in this order.' }),
    next_token: Type.String({
      ...token,
      description: 'For `since` in the next request. Store it together with the changes.',
      examples: ['Yzox.c2lnbmF0dXJl'],
    }),
    has_more: Type.Boolean({ ...Page.has_more, description: 'Whether to ask again at once.' }),
  },
  { $id: 'ChangePage' },
)
export type ChangePage = Static<typeof ChangePage>

export const ChangeQuery = Type.Object(
  {
    since: Type.Optional(
      Type.String({ ...token, description: 'The last `next_token`. Without it, all todos are sent.' }),
    ),
    limit: Defaulted(Type.Integer({ ...limit, default: limit.maximum })),
  },
  { additionalProperties: false },
)

export const changeTag = Type.String({
  maxLength: 40,
  description: 'Sent when there are no changes (RFC 9110, section 8.8.3).',
  examples: ['"c2lnbmF0dXJl"'],
})
