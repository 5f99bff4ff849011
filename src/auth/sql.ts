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

/** What a login shows of the second factor; nothing when no code was sent. */
export interface CodeProof {
  /** That the API has the seed and found the code right (`proveSeed`); null for a wrong code. */
  proof?: Buffer | null
  /** The time step of the code. */
  step?: number
  recoveryCode?: Buffer
  /** The seed, encrypted again with the current key. */
  resealedSeed?: Buffer | undefined
}

interface LoginResult {
  /** Null when email or password is wrong. */
  outcome: null | 'opened' | 'locked' | 'code_required' | 'code_wrong' | 'code_limited'
  user_id: string
  /** Of a user with a second factor. */
  sealed_seed: Buffer | null
  /** Seconds, after too many wrong codes. */
  retry_after: number | null
}

/** Opens a session if the hash of the password and, for a user with a second factor, the code is right. */
export const openSession = (
  tx: Tx,
  emailFolded: string,
  passwordHash: string,
  session: NewSession,
  { proof = null, step, recoveryCode, resealedSeed }: CodeProof,
  { ip, user_agent }: Client,
) =>
  tx<LoginResult>`
    select user_id, outcome, sealed_seed, retry_after
    from app.login(${emailFolded}, ${passwordHash}, ${session.id}, ${session.secretHash}, ${session.seconds}, ${session.scopes},
                     ${session.refreshHash}, ${session.eventId}, ${ip}, ${user_agent},
                   ${proof}, ${step ?? null}, ${recoveryCode ?? null}, ${resealedSeed ?? null})`

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
  /** The longest lifetime of the session since its login. */
  maxSeconds: number
  /** The id for the event of a reuse. */
  eventId: string
}

/** Uses a refresh token and returns the seed of its successor; nulls when the token is not valid. */
export const refreshSession = (tx: Tx, refresh: Refresh, { ip, user_agent }: Client) =>
  tx<{ session_id: string | null; scopes: Scope[]; seed: Buffer }>`
    select session_id, scopes, seed
    from app.refresh(${refresh.user_id}, ${refresh.session_secret}, ${refresh.secret}, ${refresh.seed}, ${refresh.successorHash},
                     ${refresh.seconds}, ${refresh.maxSeconds}, ${refresh.eventId}, ${ip}, ${user_agent})`

/** Deletes the session or the personal access token of this request. */
export const endCredential = (tx: Tx) => tx`
  with token as (delete from identity.access_tokens where id = app.credential_id())
  delete from identity.sessions where id = app.credential_id()`

/** Deletes all sessions of the current user. */
export const endSessions = (tx: Tx) => tx`delete from identity.sessions`
