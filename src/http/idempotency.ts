import { createHash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { DatabaseError } from 'pg'
import type { Config } from '../config.ts'
import { type Fragment, fragment, shardKey, type Tx } from '../database/transaction.ts'
import { ApiError, requestInProgress } from './errors.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /**
     * {@link FastifyRequest.withUser} for a write; with an Idempotency-Key it happens once, and its rows are kept
     * in the same transaction. No rows are no success, and are not kept.
     * @param run sends one statement, which then keeps its own rows: one round trip; or `many`: two
     * @throws {ApiError} request_in_progress (409), idempotency_key_reused (422)
     */
    withUserOnce<Row extends object>(
      reply: FastifyReply,
      run: (tx: Tx) => Promise<readonly Row[]>,
      statements?: 'one' | 'many',
    ): Promise<readonly Row[]>
  }
}

/** Exactly-once writes by the header Idempotency-Key (draft-ietf-httpapi-idempotency-key-header). */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    // On a shard two inserts cannot be one statement.
    const runSingle = config.DATABASE_SHARDED ? runMany : runOne

    app.decorateRequest('withUserOnce', async function (reply, run, statements = 'one') {
      const key = this.headers['idempotency-key']
      if (typeof key !== 'string') return this.withUser(run)
      const fingerprint = fingerprintOf(this)
      const runAndKeep = statements === 'one' ? runSingle : runMany
      let refusal: unknown
      const rows = await this.withUser((tx) => runAndKeep(tx, key, fingerprint, run)).catch((error) => {
        if (!isRefusal(error)) throw error
        refusal = error
        return []
      })
      if (rows.length > 0) return rows

      // Nothing was done now. It may have been before.
      const [kept] = await this.withUser((tx) => findKept(tx, key))
      if (kept) {
        if (!fingerprint.equals(kept.fingerprint)) throw new ApiError('idempotency_key_reused')
        reply.header('idempotent-replayed', 'true')
        return JSON.parse(kept.result, revive)
      }
      if (isTaken(refusal)) throw requestInProgress()
      if (refusal) throw refusal
      return rows
    })
  },
  { name: 'idempotency', dependencies: ['database', 'authenticate'] },
)

function fingerprintOf({ method, url, headers, body }: FastifyRequest): Buffer {
  const request = JSON.stringify([
    method,
    url,
    headers['if-match'] ?? null,
    headers['if-none-match'] ?? null,
    body,
  ])
  return createHash('sha256').update(request).digest()
}

type Run<Row> = (tx: Tx) => Promise<readonly Row[]>

function runOne<Row>(tx: Tx, key: string, fingerprint: Buffer, run: Run<Row>): Promise<readonly Row[]> {
  const keeping = (strings: TemplateStringsArray, ...values: Parameters<Tx>[1][]) => tx`
    with written as (${fragment(strings, ...values)}), keeping as (
      ${keep(fragment`
        select ${key}::text, ${fingerprint}::bytea, jsonb_agg(to_jsonb(written)) from written having count(*) > 0`)}
    )
    select * from written`
  return run(keeping as Tx)
}

async function runMany<Row>(
  tx: Tx,
  key: string,
  fingerprint: Buffer,
  run: Run<Row>,
): Promise<readonly Row[]> {
  const rows = await run(tx)
  // Not waited for: the commit follows it, and both are told as done, or neither.
  if (rows.length > 0) tx`${keep(fragment`values (${key}, ${fingerprint}, ${JSON.stringify(rows)}::jsonb)`)}`
  return rows
}

/**
 * Waits for another transaction that is keeping something under the same key. When that has been committed, the
 * empty fingerprint fails, by its constraint, all that this one did; unless what was kept has expired. That is told
 * from the new one's expiry, 24 hours from now: here Citus takes immutable functions only, and now() is not.
 */
const keep = (row: Fragment) => fragment`
  insert into idempotency_keys as kept (key, fingerprint, result)
  ${row}
  on conflict on constraint idempotency_keys_pkey do update set
    fingerprint = case when excluded.expires_at - kept.expires_at > '24 hours' then excluded.fingerprint else '' end,
    result = excluded.result,
    expires_at = excluded.expires_at`

const findKept = (tx: Tx, key: string) => tx<{ fingerprint: Buffer; result: string }>`
  select fingerprint, result::text from idempotency_keys where ${shardKey} and key = ${key} and expires_at >= now()`

/** A time, whose zone to_jsonb() writes as +00:00 and this API as Z. */
const revive = (name: string, value: unknown) =>
  name.endsWith('_at') && typeof value === 'string' ? value.replace('+00:00', 'Z') : value

/** Whether the database refused the write, or there is nothing to write to; not that nobody may ask, or can. */
const isRefusal = (error: unknown) =>
  error instanceof DatabaseError || (error instanceof ApiError && error.code === 'not_found')

const LOCK_NOT_AVAILABLE = '55P03'
/** Whether another write was keeping the same key: it was there first, or is still under way after LOCK_TIMEOUT_MS. */
const isTaken = (error: unknown) =>
  error instanceof DatabaseError &&
  (error.constraint === 'idempotency_keys_fingerprint_sha256' ||
    (error.code === LOCK_NOT_AVAILABLE && /\bidempotency_keys/.test(`${error.where}`)))
