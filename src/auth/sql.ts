import type { Client, Scope } from '../schema.ts'
import type { Tx } from '../tx.ts'
import type { User } from './schema.ts'

/** Adds a user; a taken email violates users_email_key. */
export const registerUser = (tx: Tx, id: string, email: string, emailFolded: string, passwordHash: string) =>
  tx<User>`select id, email, created_at from app.register(${id}, ${email}, ${emailFolded}, ${passwordHash})`

/** The bcrypt version, cost and salt of the user with this email; null when there is none. */
export const findPasswordSalt = (tx: Tx, emailFolded: string) =>
  tx<{ salt: string | null }>`select app.password_salt(${emailFolded}) as salt`

interface NewSession {
  id: string
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
  passwordHashes: string[],
  session: NewSession,
  { ip, user_agent }: Client,
) =>
  tx<{ user_id: string | null }>`
    select app.login(${emailFolded}, ${passwordHashes}, ${session.id}, ${session.seconds}, ${session.scopes},
                     ${session.refreshHash}, ${session.eventId}, ${ip}, ${user_agent}) as user_id`

/** Replaces the password hash of the user who is asking, when it is one of the outdated ones. */
export const replaceHash = (tx: Tx, { outdated, hash }: { outdated: string[]; hash: string }) =>
  tx`select app.rehash(${outdated}, ${hash})`

interface Refresh {
  user_id: string
  /** Of the token that is spent. */
  hash: Buffer
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
    from app.refresh(${refresh.user_id}, ${refresh.hash}, ${refresh.seed}, ${refresh.successorHash},
                     ${refresh.seconds}, ${refresh.eventId}, ${ip}, ${user_agent})`

/** Ends the session, or the personal token, that is asking. */
export const endCredential = (tx: Tx) => tx`
  with token as (delete from identity.access_tokens where id = app.credential_id())
  delete from identity.sessions where id = app.credential_id()`

/** Ends every session of the user who is asking. */
export const endSessions = (tx: Tx) => tx`delete from identity.sessions`
