import { type Static, Type } from '@sinclair/typebox'
import { Id, Timestamp } from '../http/schemas.ts'

export const Email = Type.String({
  format: 'idn-email',
  minLength: 3,
  maxLength: 254,
  description:
    'Kept as sent. Compared without regard to case and to how letters are composed (Unicode NFC); an internationalised domain equals its `xn--` form.',
  examples: ['ada@example.com'],
})

export const NewPassword = Type.String({
  // The format checks the length of the normalised text; before that it may be longer.
  format: 'password',
  maxLength: 1000,
  pattern: '^[^\\u0000-\\u001F\\u007F-\\u009F\\uD800-\\uDFFF]*$',
  description:
    '8 to 128 characters, counted after normalisation (RFC 8265, OpaqueString: NFC, every kind of space as U+0020). No control characters, none of the most common passwords, and not the part of the email before the @ when that has 4 characters or more.',
  examples: ['correct horse battery'],
})
/** Only compared: a password that nobody can have is a wrong one, and the response does not say why. */
export const Password = Type.String({
  // As long as a body may be.
  maxLength: 262_144,
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
