import type { User } from '../auth/schema.ts'
import { mine, type Tx } from '../database/transaction.ts'
import type { Client, PageQuery } from '../http/schemas.ts'
import type { Todo } from '../todos/schema.ts'
import type { AccessToken } from '../tokens/schema.ts'
import type { Event, Session } from './schema.ts'

/** The user who is asking: the policy leaves this one row. */
export const getMe = (tx: Tx) => tx<User>`select id, email, created_at from users`

/** The bcrypt version, cost and salt of the current user, and their email. */
export const getPasswordSalt = (tx: Tx, cost: number) =>
  tx<{
    salt: string
    email: string
  }>`select app.password_salt(coalesce(email_folded, lower(email collate "C")), ${cost}) as salt, email from users`

interface AccountChange {
  email: string | undefined
  emailFolded: string | undefined
  /** Of the password that the user must know. */
  currentHash: string
  newHash: string | undefined
  /** Of the events that the two changes are. */
  eventIds: string[]
}

/** Changes email, password or both. No row when none of the hashes is that of the current password. */
export const changeAccount = (tx: Tx, change: AccountChange, { ip, user_agent }: Client) => tx<User>`
  select id, email, created_at
  from app.change_account(${change.currentHash}, ${change.email ?? null}, ${change.emailFolded ?? null}, ${change.newHash ?? null},
                          ${change.eventIds}, ${ip}, ${user_agent})`

/** Deletes the user, and with the row all that refers to it. No row when the login is not recent. */
export const deleteMe = (tx: Tx) => tx<{ id: string }>`delete from users returning id`

/** The sessions that are alive, newest first, and one more than asked for. */
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

/** Newest first, and one more than asked for. */
export const listEvents = (tx: Tx, { limit, offset }: PageQuery) => tx<Event>`
  select id, kind, count, subject_id, host(ip) as ip, user_agent, created_at
  from identity.events
  order by id desc
  limit ${limit + 1} offset ${offset}`

// For the export: pages by id, so that none holds a connection while the client reads the one before.

export const exportSessions = (tx: Tx, after: string, limit: number) => tx<Session>`
  select id, host(ip) as ip, user_agent, created_at, last_used_at, expires_at, id = app.credential_id() as current
  from identity.sessions
  where id > ${after}
  order by id
  limit ${limit}`

export const exportTokens = (tx: Tx, after: string, limit: number) => tx<AccessToken>`
  select id, name, scopes, created_at, last_used_at, expires_at
  from identity.access_tokens
  where id > ${after}
  order by id
  limit ${limit}`

export const exportEvents = (tx: Tx, after: string, limit: number) => tx<Event>`
  select id, kind, count, subject_id, host(ip) as ip, user_agent, created_at
  from identity.events
  where id > ${after}
  order by id
  limit ${limit}`

export const exportTodos = (tx: Tx, after: string, limit: number) => tx<Todo>`
  select id, title, notes, completed, completed_at, due_at, priority, tags, position, version, created_at, updated_at
  from todos
  where ${mine} and id > ${after}
  order by id
  limit ${limit}`
