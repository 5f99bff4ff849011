import type { Tx } from '../database/transaction.ts'
import type { Client } from '../http/schemas.ts'
import type { SecondFactor } from './schema.ts'

// The policies show each user their own second factor only.

export const getSecondFactor = (tx: Tx) => tx<SecondFactor>`
  select confirmed_at is not null as enabled, confirmed_at,
         (select count(*) from identity.recovery_codes)::integer as recovery_codes
  from (select) as one left join identity.totp_seeds on true`

/** The seed that waits for its first code, still encrypted. */
export const findPendingSeed = (tx: Tx) => tx<{ sealed_seed: Buffer }>`
  select sealed_seed from identity.totp_seeds where confirmed_at is null`

/**
 * Stores a seed until it is confirmed, and returns the user's email. Not `started` when the login is too old or a seed
 * is confirmed.
 */
export const startTotp = (tx: Tx, sealedSeed: Buffer, proofHash: Buffer) =>
  tx<{ started: boolean | null; email: string }>`
    select app.start_totp(${sealedSeed}, ${proofHash}) as started, email from users`

interface Confirmation {
  /** The proof of the seed (`proveSeed`). */
  proof: Buffer
  /** The time step of the code. */
  step: number
  recoveryHashes: readonly Buffer[]
  /** The id for the event. */
  eventId: string
}

/** Turns the second factor on. Not `confirmed` when the login is too old, or the seed is no longer the same. */
export const confirmTotp = (
  tx: Tx,
  { proof, step, recoveryHashes, eventId }: Confirmation,
  { ip, user_agent }: Client,
) => tx<{ confirmed: boolean }>`
  select app.confirm_totp(${proof}, ${step}, ${recoveryHashes.map((hash) => `\\x${hash.toString('hex')}`)}, ${eventId}, ${ip}, ${user_agent})
    as confirmed`

/** The bcrypt version, cost and salt of the current user's password. */
export const getPasswordSalt = (tx: Tx, cost: number) => tx<{ salt: string }>`
  select app.password_salt(coalesce(email_folded, lower(email collate "C")), ${cost}) as salt from users`

/** Turns the second factor off, given the hash of the current password. */
export const removeTotp = (tx: Tx, currentHash: string, eventId: string, { ip, user_agent }: Client) =>
  tx<{ outcome: 'removed' | 'login_required' | 'wrong_password' | 'not_found' }>`
    select app.remove_totp(${currentHash}, ${eventId}, ${ip}, ${user_agent}) as outcome`
