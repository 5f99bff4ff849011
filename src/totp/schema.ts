import { type Static, Type } from '@sinclair/typebox'
import { Password } from '../auth/schema.ts'
import { Nullable, Timestamp } from '../http/schemas.ts'

export const SecondFactor = Type.Object(
  {
    enabled: Type.Boolean({ description: 'Whether a login needs a code.', examples: [true] }),
    confirmed_at: Nullable(Timestamp, { description: 'When it was turned on. RFC 3339, in UTC.' }),
    recovery_codes: Type.Integer({
      minimum: 0,
      maximum: 10,
      description: 'How many recovery codes are left.',
      examples: [10],
    }),
  },
  { $id: 'SecondFactor', description: 'The second factor of the account.' },
)
export type SecondFactor = Static<typeof SecondFactor>

export const TotpSeed = Type.Object(
  {
    secret: Type.String({
      maxLength: 64,
      description: 'In base32 (RFC 4648), to type into an authenticator app.',
      examples: ['SORZHSZEMGYVPV2X37F6RUBNPG7F74DC'],
    }),
    otpauth_url: Type.String({
      maxLength: 5000,
      description: 'The same as a URL, to show as a QR code.',
      examples: [
        'otpauth://totp/todo-api:ada%40example.com?issuer=todo-api&secret=SORZHSZEMGYVPV2X37F6RUBNPG7F74DC&algorithm=SHA1&digits=6&period=30',
      ],
    }),
  },
  { $id: 'TotpSeed', description: 'The seed for an authenticator app, shown only in this response.' },
)

export const TotpConfirmation = Type.Object(
  {
    code: Type.String({
      maxLength: 100,
      description: 'The six digits that the authenticator app shows.',
      examples: ['123456'],
    }),
  },
  { $id: 'TotpConfirmation', additionalProperties: false },
)

export const TotpRemoval = Type.Object(
  { current_password: Password },
  { $id: 'TotpRemoval', additionalProperties: false },
)

export const RecoveryCodes = Type.Object(
  {
    recovery_codes: Type.Array(Type.String({ maxLength: 29, examples: ['abcd-efgh-ijkl-mnop-qrst-uvwx'] }), {
      maxItems: 10,
      description: 'Each replaces a code of the app once, for when the device is lost.',
    }),
  },
  { $id: 'RecoveryCodes', description: 'The recovery codes, shown only in this response.' },
)
