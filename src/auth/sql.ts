import type { Tx } from '../database/transaction.ts'
import type { Client, Scope } from '../http/schemas.ts'
import type { User } from './schema.ts'

/** Adds a user; a taken email violates users_email_key. */
export const registerUser = (tx: Tx, id: string, email: string, emailFolded: string, passwordHash: string) =>
  tx<User>`select id, email, created_at from app.register(${id}, ${email}, ${emailFolded}, ${passwordHash})`

/** The bcrypt version, cost and salt of the user with this email; made up, with the cost, when there is none. */
export const findPasswordSalt = (tx: Tx, emailFolded: string, cost: number) =>
  tx<{ salt: string }>`select app.password_salt(${emailFolded}, ${cost}) as salt`

interface NewSession {
  id: string
  secretHash: Buffer
  /** How long it lives without a refresh. */
  seconds: number
  scopes: readonly Scope[]
  /** Of its first refresh token. */
  refreshHash: Buffer
  /** Of the event that the login is, or the failed one. */
  eventId: string
}

/** Opens a session when one of the hashes is the user's, and answers the user; null when email or password is wrong. */
export const openSession = (
  tx: Tx,
  emailFolded: string,
  passwordHash: string,
  session: NewSession,
  { ip, user_agent }: Client,
) =>
  tx<{ user_id: string | null }>`
    select app.login(${emailFolded}, ${passwordHash}, ${session.id}, ${session.secretHash}, ${session.seconds}, ${session.scopes},
                     ${session.refreshHash}, ${session.eventId}, ${ip}, ${user_agent}) as user_id`

/** Replaces the password hash of the current user. */
export const replaceHash = (tx: Tx, oldHash: string, newHash: string) =>
  tx`select app.rehash(${oldHash}, ${newHash})`

interface Refresh {
  user_id: string
  session_secret: Buffer
  /** Of the token that is spent. */
  secret: Buffer
  /** Of its successor, should this be the first time that it is spent. */
  seed: Buffer
  successorHash: Buffer
  /** How long the successor, and with it the session, lives. */
  seconds: number
  /** Of the event that a reuse is. */
  eventId: string
}

/** Spends a refresh token. The seed tells its successor; nulls when the token is not alive. */
export const refreshSession = (tx: Tx, refresh: Refresh, { ip, user_agent }: Client) =>
  tx<{ session_id: string | null; scopes: Scope[]; seed: Buffer }>`
    select session_id, scopes, seed
    from app.refresh(${refresh.user_id}, ${refresh.session_secret}, ${refresh.secret}, ${refresh.seed}, ${refresh.successorHash},
                     ${refresh.seconds}, ${refresh.eventId}, ${ip}, ${user_agent})`

/** Ends the session, or the personal token, that is asking. */
export const endCredential = (tx: Tx) => tx`
  with token as (delete from identity.access_tokens where id = app.credential_id())
  delete from identity.sessions where id = app.credential_id()`

/** Ends every session of the user who is asking. */
export const endSessions = (tx: Tx) => tx`delete from identity.sessions`
