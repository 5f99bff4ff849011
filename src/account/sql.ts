import type { User } from '../auth/schema.ts'
import type { Tx } from '../database/transaction.ts'
import type { Client, PageQuery } from '../http/schemas.ts'
import type { Event, Session } from './schema.ts'

/** The current user: the policy hides all other rows. */
export const getMe = (tx: Tx) => tx<User>`select id, email, created_at from users`

/** The bcrypt version, cost and salt of the current user's password, and the email. */
export const getPasswordSalt = (tx: Tx, cost: number) =>
  tx<{
    salt: string
    email: string
  }>`select app.password_salt(coalesce(email_folded, lower(email collate "C")), ${cost}) as salt, email from users`

interface AccountChange {
  email: string | undefined
  emailFolded: string | undefined
  /** The hash of the current password as sent. */
  currentHash: string
  newHash: string | undefined
  /** Ids for the events of the two changes. */
  eventIds: string[]
}

/** Changes email, password or both. No row when the current password is wrong. */
export const changeAccount = (tx: Tx, change: AccountChange, { ip, user_agent }: Client) => tx<User>`
  select id, email, created_at
  from app.change_account(${change.currentHash}, ${change.email ?? null}, ${change.emailFolded ?? null}, ${change.newHash ?? null},
                          ${change.eventIds}, ${ip}, ${user_agent})`

/** Deletes all that the user has stored, and then the user. No row, and nothing deleted, when the login is too old. */
export function deleteMe(tx: Tx) {
  // A sharded table has no foreign key to users that would delete its rows.
  tx`select app.delete_content()`
  return tx<{ id: string }>`delete from users returning id`
}

/** Active sessions, newest first, one more than the limit. */
export const listSessions = (tx: Tx, { limit, offset }: PageQuery) => tx<Session>`
  select id, host(ip) as ip, user_agent, created_at, last_used_at, expires_at, id = app.credential_id() as current
  from identity.sessions
  where expires_at > now()
  order by id desc
  limit ${limit + 1} offset ${offset}`

export const endSession = (tx: Tx, id: string) => tx<{ id: string }>`
  delete from identity.sessions
  where id = ${id}
  returning id`

/** Newest first, one more than the limit. */
export const listEvents = (tx: Tx, { limit, offset }: PageQuery) => tx<Event>`
  select id, kind, count, subject_id, host(ip) as ip, user_agent, created_at
  from identity.events
  order by id desc
  limit ${limit + 1} offset ${offset}`

// For the export: pages in the order of the ids.

export const exportSessions = (tx: Tx, after: string, limit: number) => tx<Session>`
  select id, host(ip) as ip, user_agent, created_at, last_used_at, expires_at, id = app.credential_id() as current
  from identity.sessions
  where id > ${after}
  order by id
  limit ${limit}`

export const exportEvents = (tx: Tx, after: string, limit: number) => tx<Event>`
  select id, kind, count, subject_id, host(ip) as ip, user_agent, created_at
  from identity.events
  where id > ${after}
  order by id
  limit ${limit}`
