import { type Static, Type } from '@sinclair/typebox'
import { Email, NewPassword, Password, User } from '../auth/schema.ts'
import type { ExportPart } from '../http/features.ts'
import { Id, Nullable, Page, Ref, Timestamp } from '../http/schemas.ts'

export const AccountPatch = Type.Object(
  {
    email: Type.Optional(Email),
    new_password: Type.Optional(NewPassword),
    current_password: Password,
  },
  { $id: 'AccountPatch', additionalProperties: false },
)
export type AccountPatch = Static<typeof AccountPatch>

const ip = Nullable(Type.String({ maxLength: 45, examples: ['192.0.2.1'] }), {
  description: 'The address of the client; null when the proxy does not forward it.',
})
const user_agent = Nullable(Type.String({ maxLength: 512, examples: ['curl/8.14.1'] }))

export const Session = Type.Object(
  {
    id: Id,
    ip,
    user_agent,
    created_at: Type.String({ ...Timestamp, description: 'The time of the login. RFC 3339, in UTC.' }),
    last_used_at: Type.String({ ...Timestamp, description: 'Accurate to a minute. RFC 3339, in UTC.' }),
    expires_at: Type.String({
      ...Timestamp,
      description: 'Extended by each refresh, up to 90 days after the login. RFC 3339, in UTC.',
    }),
    current: Type.Boolean({ description: 'Whether it is the session of this request.', examples: [true] }),
  },
  { $id: 'Session', description: 'A login and its refreshes.' },
)
export type Session = Static<typeof Session>

export const SessionPage = Type.Object(
  { data: Type.Array(Ref(Session), { maxItems: 100 }), ...Page },
  { $id: 'SessionPage' },
)

const kinds = [
  'login',
  'login_failed',
  'refresh_reused',
  'password_changed',
  'password_reset_requested',
  'password_reset',
  'email_changed',
  'email_change_requested',
  'email_change_undone',
  'email_verified',
  'token_created',
  'token_revoked',
  'totp_enabled',
  'totp_disabled',
  'totp_failed',
  'recovery_code_used',
  'operator_locked',
  'operator_unlocked',
  'operator_ended_sessions',
  'operator_reset_password',
  'operator_reset_totp',
] as const

export const Event = Type.Object(
  {
    id: Id,
    kind: Type.Unsafe<(typeof kinds)[number]>(Type.String({ enum: kinds, examples: ['login'] })),
    count: Type.Integer({
      minimum: 1,
      maximum: 2147483647,
      description:
        'The number of occurrences. Five failed logins an hour are listed separately; further ones are counted in the newest of them.',
      examples: [1],
    }),
    subject_id: Nullable(Id, { description: 'The session or token that the event concerns.' }),
    ip,
    user_agent,
    created_at: Timestamp,
  },
  { $id: 'Event', description: 'An account event. Kept for a year.' },
)
export type Event = Static<typeof Event>

export const EventPage = Type.Object(
  { data: Type.Array(Ref(Event), { maxItems: 100 }), ...Page },
  { $id: 'EventPage' },
)

const all = { maxItems: 2147483647 }

/** The user, and an array of rows for each part that a feature has registered. */
export const createExport = (parts: Record<string, ExportPart>) =>
  Type.Object(
    {
      user: Ref(User),
      ...Object.fromEntries(
        Object.entries(parts).map(([name, { schema }]) => [name, Type.Array(Ref(schema), all)]),
      ),
    },
    { $id: 'Export', description: "All of the user's data." },
  )
