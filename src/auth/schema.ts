import { type Static, Type } from '@sinclair/typebox'
import { Id, TEXT, Timestamp } from '../schema.ts'

const email = Type.String({
  format: 'email',
  minLength: 3,
  maxLength: 254,
  description: 'Compared without regard to case.',
  examples: ['ada@example.com'],
})

export const Registration = Type.Object(
  {
    email,
    password: Type.String({
      format: 'password',
      pattern: TEXT,
      maxLength: 72,
      description: '8 to 72 bytes in UTF-8.',
      examples: ['correct horse battery'],
    }),
  },
  { $id: 'Registration', additionalProperties: false },
)
export type Registration = Static<typeof Registration>

export const Login = Type.Object(
  {
    email,
    password: Type.String({
      pattern: TEXT,
      minLength: 1,
      maxLength: 72,
      examples: ['correct horse battery'],
    }),
  },
  { $id: 'Login', additionalProperties: false },
)
export type Login = Static<typeof Login>

export const User = Type.Object({ id: Id, email, created_at: Timestamp }, { $id: 'User' })
export type User = Static<typeof User>

export const Tokens = Type.Object(
  {
    access_token: Type.String({
      maxLength: 2000,
      description: 'A JWT (RFC 9068).',
      examples: ['eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.c2lnbmF0dXJl'],
    }),
    token_type: Type.Literal('Bearer'),
    expires_in: Type.Integer({ minimum: 1, maximum: 86_400, description: 'Seconds.', examples: [900] }),
    scope: Type.String({ maxLength: 100, examples: ['todos:read todos:write account'] }),
  },
  { $id: 'Tokens', description: 'An access token (RFC 6749, section 5.1).' },
)
export type Tokens = Static<typeof Tokens>
