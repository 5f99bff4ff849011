import type { Tx } from '../database/transaction.ts'
import type { Client, PageQuery } from '../http/schemas.ts'
import type { AccessToken, NewAccessToken } from './schema.ts'

/** Newest first, and one more than asked for. */
export const listTokens = (tx: Tx, { limit, offset }: PageQuery) => tx<AccessToken>`
  select id, name, scopes, created_at, last_used_at, expires_at
  from identity.access_tokens
  order by id desc
  limit ${limit + 1} offset ${offset}`

interface Ids {
  id: string
  /** Of the event that it is. */
  eventId: string
}

/** A time that has passed violates access_tokens_expires_later, scopes beyond the credential's the policy. */
export const createToken = (
  tx: Tx,
  { id, eventId }: Ids,
  hash: Buffer,
  token: NewAccessToken,
  { ip, user_agent }: Client,
) => tx<AccessToken>`
  with noted as (
    insert into identity.events (id, kind, subject_id, ip, user_agent)
    values (${eventId}, 'token_created', ${id}, ${ip}, ${user_agent})
  )
  insert into identity.access_tokens (id, name, hash, scopes, expires_at)
  values (${id}, ${token.name}, ${hash}, ${token.scopes}, ${token.expires_at ?? null})
  returning id, name, scopes, created_at, last_used_at, expires_at`

export const revokeToken = (tx: Tx, { id, eventId }: Ids, { ip, user_agent }: Client) => tx<{ id: string }>`
  with revoked as (
    delete from identity.access_tokens
    where id = ${id}
    returning id
  ), noted as (
    insert into identity.events (id, kind, subject_id, ip, user_agent)
    select ${eventId}, 'token_revoked', id, ${ip}, ${user_agent} from revoked
  )
  select id from revoked`
