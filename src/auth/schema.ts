import { type Static, Type } from '@sinclair/typebox'
import { Id, TEXT, Timestamp } from '../http/schemas.ts'

export const Email = Type.String({
  format: 'email',
  minLength: 3,
  maxLength: 254,
  description: 'Compared without regard to case.',
  examples: ['ada@example.com'],
})

export const NewPassword = Type.String({
  format: 'password',
  pattern: TEXT,
  maxLength: 72,
  description: '8 to 72 bytes in UTF-8, and none of the most common ones.',
  examples: ['correct horse battery'],
})
/** What is only compared: a password that nobody may have is a wrong one. */
export const Password = Type.String({
  pattern: TEXT,
  minLength: 1,
  maxLength: 72,
  examples: ['correct horse battery'],
})

export const Registration = Type.Object(
  { email: Email, password: NewPassword },
  { $id: 'Registration', additionalProperties: false },
)
export type Registration = Static<typeof Registration>

export const Login = Type.Object(
  { email: Email, password: Password },
  { $id: 'Login', additionalProperties: false },
)
export type Login = Static<typeof Login>

export const User = Type.Object({ id: Id, email: Email, created_at: Timestamp }, { $id: 'User' })
export type User = Static<typeof User>

const refresh_token = Type.String({
  maxLength: 100,
  description: 'Spent by its first use: keep the one that comes with the answer.',
  examples: ['todo_rt_AZoKkWvIdMOs3vF0OtGDAKj1w7JqWQ5cMC2m7dXUcXv9kM3lTz0yB5aFhQpR2sGeVn8LwA'],
})

export const Refresh = Type.Object(
  // Longer than any: what is not a refresh token at all is 401, like every bad token.
  { refresh_token: Type.String({ ...refresh_token, maxLength: 2000 }) },
  { $id: 'Refresh', additionalProperties: false },
)
export type Refresh = Static<typeof Refresh>

export const Logout = Type.Object(
  {
    everywhere: Type.Optional(
      Type.Boolean({ description: 'End every session of the user.', examples: [false] }),
    ),
  },
  { $id: 'Logout', additionalProperties: false },
)
export type Logout = Static<typeof Logout>

export const Tokens = Type.Object(
  {
    access_token: Type.String({
      maxLength: 2000,
      description: 'A JWT (RFC 9068).',
      examples: ['eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.c2lnbmF0dXJl'],
    }),
    token_type: Type.Literal('Bearer'),
    expires_in: Type.Integer({ minimum: 1, maximum: 86_400, description: 'Seconds.', examples: [900] }),
    refresh_token,
    scope: Type.String({ maxLength: 100, examples: ['todos:read todos:write account'] }),
  },
  { $id: 'Tokens', description: 'The tokens of a session (RFC 6749, section 5.1).' },
)
export type Tokens = Static<typeof Tokens>
