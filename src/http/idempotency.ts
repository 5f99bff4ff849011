import { createHash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { DatabaseError } from 'pg'
import type { Config } from '../config.ts'
import { violates } from '../database/errors.ts'
import { type Fragment, fragment, shardKey, type Tx } from '../database/transaction.ts'
import { ApiError, requestInProgress } from './errors.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /**
     * {@link FastifyRequest.withUser} for a write. With an Idempotency-Key the write happens once: its rows are recorded
     * under the key in the same transaction, and a retry returns them. A write without rows counts as failed and is not
     * recorded.
     * @param statements `one` when `run` sends a single statement, with a place for a `furtherStep`: one round trip; `many`:
     *   two
     * @param check sends statements before those of `run`, in the same round trip, that fail when it must not run
     * @throws {ApiError} request_in_progress (409), idempotency_key_reused (422)
     */
    withUserOnce<Row extends object>(
      reply: FastifyReply,
      run: (tx: Tx) => Promise<readonly Row[]>,
      statements?: 'one' | 'many',
      check?: (tx: Tx) => unknown,
    ): Promise<readonly Row[]>
  }
}

/** Exactly-once writes with the Idempotency-Key header (draft-ietf-httpapi-idempotency-key-header). */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    app.decorateRequest('withUserOnce', async function (reply, run, statements = 'one', check = () => {}) {
      const key = this.headers['idempotency-key']
      if (typeof key !== 'string')
        return this.withUser((tx) => {
          check(tx)
          return run(tx)
        })
      const fingerprint = fingerprintOf(this)
      // Citus runs no statement with two inserts.
      const runAndRecord = statements === 'one' && !config.DATABASE_SHARDED ? runOne : runMany
      let rejection: unknown
      const rows = await this.withUser((tx) => {
        check(tx)
        return runAndRecord(tx, key, fingerprint, run)
      }).catch((error) => {
        if (!isRejectedWrite(error)) throw error
        rejection = error
        return []
      })
      if (rows.length > 0) return rows

      // This attempt wrote nothing; an earlier one may have.
      const [recorded] = await this.withUser((tx) => findRecord(tx, key))
      if (recorded) {
        if (!fingerprint.equals(recorded.fingerprint)) throw new ApiError('idempotency_key_reused')
        reply.header('idempotent-replayed', 'true')
        return JSON.parse(recorded.result, reviveTimestamp)
      }
      if (isKeyTaken(rejection)) throw requestInProgress()
      if (rejection) throw rejection
      return rows
    })
  },
  { name: 'idempotency', dependencies: ['database', 'authenticate'] },
)

/** A hash that tells a retry from another request with the same key. */
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

/** Writes and records in one statement. */
function runOne<Row>(tx: Tx, key: string, fingerprint: Buffer, run: Run<Row>): Promise<readonly Row[]> {
  tx.addStep(fragment`, recorded as (
    ${recordResult(fragment`
      select ${key}::text, ${fingerprint}::bytea, jsonb_agg(to_jsonb(written)) from written having count(*) > 0`)}
  )`)
  return run(tx)
}

/** Writes, and records with the commit. */
async function runMany<Row>(
  tx: Tx,
  key: string,
  fingerprint: Buffer,
  run: Run<Row>,
): Promise<readonly Row[]> {
  const rows = await run(tx)
  // Not awaited: the commit follows it, and fails if this does.
  if (rows.length > 0)
    tx`${recordResult(fragment`values (${key}, ${fingerprint}, ${JSON.stringify(rows)}::jsonb)`)}`
  return rows
}

/**
 * Records a result under a key. The insert waits for another transaction that is recording under the same key. When the
 * key is taken, it sets an empty fingerprint to violate idempotency_keys_fingerprint_sha256 on purpose, which rolls
 * back the write, too: no lock, no prior lookup and no extra round trip. A record is replaced when it has expired, which
 * the new expiry, 24 hours from now, shows; Citus does not allow now() here.
 */
const recordResult = (row: Fragment) => fragment`
  insert into idempotency_keys as kept (key, fingerprint, result)
  ${row}
  on conflict on constraint idempotency_keys_pkey do update set
    fingerprint = case when excluded.expires_at - kept.expires_at > '24 hours' then excluded.fingerprint else '' end,
    result = excluded.result,
    expires_at = excluded.expires_at`

const findRecord = (tx: Tx, key: string) => tx<{ fingerprint: Buffer; result: string }>`
  select fingerprint, result::text from idempotency_keys where ${shardKey} and key = ${key} and expires_at >= now()`

/** to_jsonb() writes +00:00 where the API writes Z. */
const reviveTimestamp = (name: string, value: unknown) =>
  name.endsWith('_at') && typeof value === 'string' ? value.replace('+00:00', 'Z') : value

/** Whether the write itself failed, and not the authentication or the connection. */
const isRejectedWrite = (error: unknown) =>
  error instanceof DatabaseError || (error instanceof ApiError && error.code === 'not_found')

const LOCK_NOT_AVAILABLE = '55P03'
/** Whether another write has recorded under the same key, or was still doing so after LOCK_TIMEOUT_MS. */
const isKeyTaken = (error: unknown) =>
  error instanceof DatabaseError &&
  (violates(error, 'idempotency_keys_fingerprint_sha256') ||
    (error.code === LOCK_NOT_AVAILABLE && /\bidempotency_keys/.test(`${error.where}`)))
