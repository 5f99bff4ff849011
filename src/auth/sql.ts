import type { Tx } from '../database.ts'
import type { User } from './schema.ts'

/** Adds a user; a taken email violates users_email_key. */
export const registerUser = (tx: Tx, id: string, email: string, passwordHash: string) =>
  tx<User>`select id, email, created_at from app.register(${id}, ${email}, ${passwordHash})`

/** The bcrypt version, cost and salt of the user with this email; null when there is none. */
export const findPasswordSalt = (tx: Tx, email: string) =>
  tx<{ salt: string | null }>`select app.password_salt(${email}) as salt`

interface NewSession {
  id: string
  /** How long it lives. */
  seconds: number
  scopes: readonly string[]
  ip: string
  userAgent: string | null
}

/** Opens a session when the hash is the user's, and answers the user; null when email or password is wrong. */
export const openSession = (tx: Tx, email: string, passwordHash: string, session: NewSession) =>
  tx<{ user_id: string | null }>`
    select app.login(${email}, ${passwordHash}, ${session.id}, ${session.seconds}, ${session.scopes},
                     ${session.ip}, ${session.userAgent}) as user_id`
