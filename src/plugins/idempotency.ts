import { createHash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ApiError } from '../errors.ts'
import type { Tx } from '../tx.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /**
     * {@link FastifyRequest.withUser} for a write; with an Idempotency-Key it happens once, and its rows
     * commit together with it. No rows are no success, and are not kept.
     * @throws {ApiError} request_in_progress (409), idempotency_key_reused (422)
     */
    withUserOnce<Row extends object>(
      reply: FastifyReply,
      run: (tx: Tx) => Promise<readonly Row[]>,
    ): Promise<readonly Row[]>
  }
}

class Nothing extends Error {}
class Taken extends Error {}

/** Exactly-once writes by the header Idempotency-Key (draft-ietf-httpapi-idempotency-key-header). */
export default fp(
  async (app) => {
    app.decorateRequest('withUserOnce', async function (reply, run) {
      const key = this.headers['idempotency-key']
      if (typeof key !== 'string') return this.withUser(run)
      const fingerprint = fingerprintOf(this)
      try {
        return await this.withUser((tx) => runOnce(tx, key, fingerprint, run))
      } catch (error) {
        if (error instanceof Nothing) return []
        if (!(error instanceof Taken)) throw error
      }
      const [kept] = await this.withUser((tx) => findResult(tx, key))
      if (!kept) throw new ApiError('request_in_progress', { headers: { 'retry-after': '1' } })
      if (!fingerprint.equals(kept.fingerprint)) throw new ApiError('idempotency_key_reused')
      reply.header('idempotent-replayed', 'true')
      return kept.result as never
    })
  },
  { name: 'idempotency', dependencies: ['database', 'auth'] },
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

/** The claim and the write travel together: the write is undone when the key turns out to be taken. */
async function runOnce<Row extends object>(
  tx: Tx,
  key: string,
  fingerprint: Buffer,
  run: (tx: Tx) => Promise<readonly Row[]>,
): Promise<readonly Row[]> {
  const [claimed, work] = await Promise.allSettled([claimKey(tx, key, fingerprint), run(tx)])
  if (claimed.status === 'rejected') throw claimed.reason
  if (claimed.value.length === 0) throw new Taken()
  if (work.status === 'rejected') throw work.reason
  if (work.value.length === 0) throw new Nothing()
  // Not waited for: the commit follows it, and is told as done only when both succeeded.
  keepResult(tx, key, work.value)
  return work.value
}

/** No row when the key is taken: by a write that is still running (which holds the lock), or by one that is done. */
const claimKey = (tx: Tx, key: string, fingerprint: Buffer) => tx<{ key: string }>`
  insert into idempotency_keys as kept (key, fingerprint)
  select ${key}, ${fingerprint}
  where pg_try_advisory_xact_lock(hashtextextended(${key}, hashtextextended(app.user_id()::text, 0)))
  on conflict on constraint idempotency_keys_pkey
    do update set fingerprint = excluded.fingerprint, expires_at = excluded.expires_at
    where kept.expires_at < now()
  returning key`

const keepResult = (tx: Tx, key: string, rows: readonly object[]) =>
  tx`update idempotency_keys set result = ${JSON.stringify(rows)}::jsonb where key = ${key}`

const findResult = (tx: Tx, key: string) => tx<{ fingerprint: Buffer; result: object[] }>`
  select fingerprint, result from idempotency_keys where key = ${key} and expires_at >= now()`
