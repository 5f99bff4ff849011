import { type Static, Type } from '@sinclair/typebox'
import {
  Id,
  NewTimestamp,
  NOT_BLANK,
  Nullable,
  Page,
  Ref,
  type Scope,
  scopes,
  Timestamp,
} from '../http/schemas.ts'

const name = Type.String({
  minLength: 1,
  maxLength: 100,
  pattern: NOT_BLANK,
  description: 'The purpose of the token.',
  examples: ['backup script'],
})
const granted = Type.Array(Type.Unsafe<Scope>(Type.String({ enum: scopes, examples: ['todos:read'] })), {
  minItems: 1,
  maxItems: scopes.length,
  uniqueItems: true,
  examples: [['todos:read']],
})
const expiry = ['2030-01-01T00:00:00Z']
const members = {
  id: Id,
  name,
  scopes: granted,
  created_at: Timestamp,
  last_used_at: Nullable(Timestamp, { description: 'Accurate to a minute. RFC 3339, in UTC.' }),
  expires_at: Nullable(Timestamp, { examples: expiry }),
}

export const AccessToken = Type.Object(members, {
  $id: 'AccessToken',
  description: 'A personal access token.',
})
export type AccessToken = Static<typeof AccessToken>

export const NewAccessToken = Type.Object(
  {
    name,
    scopes: granted,
    expires_at: Type.Optional(
      Nullable(NewTimestamp, {
        description:
          'RFC 3339 with a UTC offset. Without it the token never expires or, if created with a personal access token, expires with that token.',
        examples: expiry,
      }),
    ),
  },
  { $id: 'NewAccessToken', additionalProperties: false },
)
export type NewAccessToken = Static<typeof NewAccessToken>

export const CreatedAccessToken = Type.Object(
  {
    ...members,
    token: Type.String({
      maxLength: 100,
      description: 'The token itself, shown only in this response.',
      examples: ['todo_pat_AZoKkWvIdMOs3vF0OtGDAKj1w7JqWQ5cMC2m7dXUcXv9kM3lTz0yB5aFhQpR2sGeVn8LwA'],
    }),
  },
  { $id: 'CreatedAccessToken' },
)

export const AccessTokenPage = Type.Object(
  { data: Type.Array(Ref(AccessToken), { maxItems: 100 }), ...Page },
  { $id: 'AccessTokenPage' },
)
