import { type Static, Type } from '@sinclair/typebox'
import { Id, Timestamp } from '../http/schemas.ts'

export const Email = Type.String({
  format: 'idn-email',
  minLength: 3,
  maxLength: 254,
  description:
    'Stored as sent. Compared without regard to case and Unicode composition; an internationalised domain equals its `xn--` form.',
  examples: ['ada@example.com'],
})

export const NewPassword = Type.String({
  // The format limits the length after normalisation, before which the text can be longer.
  format: 'password',
  maxLength: 1000,
  pattern: '^[^\\u0000-\\u001F\\u007F-\\u009F\\uD800-\\uDFFF]*$',
  description:
    '8 to 128 characters after normalisation (RFC 8265, OpaqueString: NFC, every space as U+0020). Must not contain control characters or, if it has 4 or more characters, the part of the email before the @; must not be a common password, and must have at least 8 characters beside `todo` and `api`.',
  examples: ['correct horse battery'],
})
/** Only compared, so any text is allowed: an impossible password is simply wrong. */
export const Password = Type.String({
  // The largest body.
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
  description: 'Can be used once: replace it by the one in the response.',
  examples: ['todo_rt_AZoKkWvIdMOs3vF0OtGDAKj1w7JqWQ5cMC2m7dXUcXv9kM3lTz0yB5aFhQpR2sGeVn8LwA'],
})

export const Refresh = Type.Object(
  // Longer than a refresh token, so that other tokens get 401, not 400.
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
