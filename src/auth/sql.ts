import type { Tx } from '../database/transaction.ts'
import type { Client, Scope } from '../http/schemas.ts'
import type { User } from './schema.ts'

interface NewUser {
  id: string
  email: string
  emailFolded: string
  passwordHash: string
  /** Whether to mail a link that confirms the address. */
  verify: boolean
  /** Whether a taken email is to stay hidden: its owner is mailed instead. */
  hidden: boolean
  requestId: string
}

/** Creates a user. An email that is taken violates users_email_key or, when hidden, returns no row. */
export const registerUser = (tx: Tx, user: NewUser, { ip, user_agent }: Client) =>
  tx<User>`
    select id, email, email_verified_at, created_at
    from app.register(${user.id}, ${user.email}, ${user.emailFolded}, ${user.passwordHash}, ${user.verify}, ${user.hidden},
                      ${user.requestId}, ${ip}, ${user_agent})`

/** The bcrypt version, cost and salt of the user with this email; invented, with the given cost, for an unknown email. */
export const findPasswordSalt = (tx: Tx, emailFolded: string, cost: number) =>
  tx<{ salt: string }>`select app.password_salt(${emailFolded}, ${cost}) as salt`

interface NewSession {
  id: string
  secretHash: Buffer
  /** The lifetime without a refresh. */
  seconds: number
  scopes: readonly Scope[]
  /** The hash of the first refresh token. */
  refreshHash: Buffer
  /** The id for the event of the login or failed login. */
  eventId: string
}

/** Opens a session if the password hash is correct. Returns the user's id; null when email or password is wrong. */
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
  /** The secret of the token that is used. */
  secret: Buffer
  /** The seed for its successor, unless it has been used before. */
  seed: Buffer
  successorHash: Buffer
  /** The lifetime of the successor and the session. */
  seconds: number
  /** The id for the event of a reuse. */
  eventId: string
}

/** Uses a refresh token and returns the seed of its successor; nulls when the token is not valid. */
export const refreshSession = (tx: Tx, refresh: Refresh, { ip, user_agent }: Client) =>
  tx<{ session_id: string | null; scopes: Scope[]; seed: Buffer }>`
    select session_id, scopes, seed
    from app.refresh(${refresh.user_id}, ${refresh.session_secret}, ${refresh.secret}, ${refresh.seed}, ${refresh.successorHash},
                     ${refresh.seconds}, ${refresh.eventId}, ${ip}, ${user_agent})`

/** Deletes the session or the personal access token of this request. */
export const endCredential = (tx: Tx) => tx`
  with token as (delete from identity.access_tokens where id = app.credential_id())
  delete from identity.sessions where id = app.credential_id()`

/** Deletes all sessions of the current user. */
export const endSessions = (tx: Tx) => tx`delete from identity.sessions`
