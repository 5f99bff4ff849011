import type { Tx } from '../database/transaction.ts'
import type { Client, PageQuery } from '../http/schemas.ts'
import type { AccessToken, NewAccessToken } from './schema.ts'

/** Newest first, one more than the limit. */
export const listTokens = (tx: Tx, { limit, offset }: PageQuery) => tx<AccessToken>`
  select id, name, scopes, created_at, last_used_at, expires_at
  from identity.access_tokens
  order by id desc
  limit ${limit + 1} offset ${offset}`

/** The number of tokens that a user can have, expired ones included. */
export const MAX_TOKENS = 50

/** Violates access_tokens_quota when there is no room for another token. */
export const checkTokenQuota = (tx: Tx) => tx`
  select app.check_quota('access_tokens_quota', count(*) + 1, ${MAX_TOKENS})
  from (select from identity.access_tokens limit ${MAX_TOKENS}) as counted`

interface Ids {
  id: string
  /** The id for the event. */
  eventId: string
}

/**
 * Creates a token. It expires no later than the personal access token that creates it and, without a time, together
 * with it. For a later time nothing is created: then the row has only `latest`. A past time violates
 * access_tokens_expires_later; scopes beyond the credential's violate the policy.
 */
export const createToken = (
  tx: Tx,
  { id, eventId }: Ids,
  hash: Buffer,
  token: NewAccessToken,
  { ip, user_agent }: Client,
) => tx<{ latest: string | null } & (AccessToken | { id: null })>`
  with bound as (
    select app.maker_expires_at() as latest, ${token.expires_at ?? null}::timestamptz as wanted
  ), created as (
    insert into identity.access_tokens (id, name, hash, scopes, expires_at)
    select ${id}::uuid, ${token.name}, ${hash}::bytea, ${token.scopes}::text[], coalesce(wanted, latest)
    from bound
    where (wanted > latest) is not true
    returning id, name, scopes, created_at, last_used_at, expires_at
  ), event as (
    insert into identity.events (id, kind, subject_id, ip, user_agent)
    select ${eventId}::uuid, 'token_created', id, ${ip}::inet, ${user_agent} from created
  )
  select latest, id, name, scopes, created_at, last_used_at, expires_at,
         case when id is not null then app.notify_token_created(name, ${ip}::inet, ${user_agent}) end as notified
  from bound left join created on true`

export const revokeToken = (tx: Tx, { id, eventId }: Ids, { ip, user_agent }: Client) => tx<{ id: string }>`
  with revoked as (
    delete from identity.access_tokens
    where id = ${id}
    returning id
  ), event as (
    insert into identity.events (id, kind, subject_id, ip, user_agent)
    select ${eventId}, 'token_revoked', id, ${ip}, ${user_agent} from revoked
  )
  select id from revoked`

/** For the export: by id, from the one after `after`. */
export const exportTokens = (tx: Tx, after: string, limit: number) => tx<AccessToken>`
  select id, name, scopes, created_at, last_used_at, expires_at
  from identity.access_tokens
  where id > ${after}
  order by id
  limit ${limit}`
