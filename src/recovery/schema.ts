import { type Static, Type } from '@sinclair/typebox'
import { Email, NewPassword } from '../auth/schema.ts'

export const PasswordRequest = Type.Object(
  { email: Email },
  { $id: 'PasswordRequest', additionalProperties: false },
)
export type PasswordRequest = Static<typeof PasswordRequest>

/** Longer than a token, so that other texts get the same error as a wrong one. */
const token = (prefix: string) =>
  Type.String({
    maxLength: 2000,
    description: 'What follows the # in the mailed link.',
    examples: [`${prefix}AZoKkWvIdMOs3vF0OtGDAKj1w7JqWQ5cMC2m7dXUcXv9kM3lTz0yB5aFhQpR2sGeVn8LwA`],
  })

export const PasswordReset = Type.Object(
  {
    token: token('todo_reset_'),
    new_password: NewPassword,
    revoke_tokens: Type.Optional(
      Type.Boolean({ description: 'Also revoke every personal access token.', examples: [false] }),
    ),
  },
  { $id: 'PasswordReset', additionalProperties: false },
)
export type PasswordReset = Static<typeof PasswordReset>

export const EmailVerification = Type.Object(
  { token: token('todo_verify_') },
  { $id: 'EmailVerification', additionalProperties: false },
)

export const EmailUndo = Type.Object(
  { token: token('todo_undo_') },
  { $id: 'EmailUndo', additionalProperties: false },
)
