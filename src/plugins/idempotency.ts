import { createHash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ApiError, requestInProgress } from '../errors.ts'
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
/** The key is not free: another write holds it, or `kept` is what one has done. */
class Taken extends Error {
  readonly kept: Kept | undefined
  constructor(kept?: Kept) {
    super()
    this.kept = kept
  }
}
interface Kept {
  fingerprint: Buffer
  result: object[]
}

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
        if (!error.kept) throw requestInProgress()
        if (!fingerprint.equals(error.kept.fingerprint)) throw new ApiError('idempotency_key_reused')
        reply.header('idempotent-replayed', 'true')
        return error.kept.result as never
      }
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
  const claim = claimKey(tx, key)
  const work = run(tx)
  // Looked at only when the key is free.
  work.catch(() => {})
  const [{ locked, ...kept }] = (await claim) as [Claim]
  if (isKept(kept)) throw new Taken(kept)
  if (!locked) throw new Taken()
  const rows = await work
  if (rows.length === 0) throw new Nothing()
  // Not waited for: the commit follows it, and is told as done only when both succeeded.
  keepResult(tx, key, fingerprint, rows)
  return rows
}

/** Nulls when nothing is kept. */
type Found = Kept | Record<keyof Kept, null>
type Claim = Found & { locked: boolean }
const isKept = (found: Found): found is Kept => found.fingerprint !== null

/** Takes the key's lock until the end of the transaction, without waiting for another that has it, and looks for what is kept. */
const claimKey = (tx: Tx, key: string) => tx<Claim>`
  select pg_try_advisory_xact_lock(hashtextextended(${key}, hashtextextended(app.user_id()::text, 0))) as locked,
    fingerprint, result
  from (values (1)) as always left join idempotency_keys on key = ${key} and expires_at >= now()`

/**
 * What is in the way has expired, or was committed between the claim's look and its lock. Then the empty
 * fingerprint fails, by its constraint, all that this transaction did.
 */
const keepResult = (tx: Tx, key: string, fingerprint: Buffer, rows: readonly object[]) => tx`
  insert into idempotency_keys as kept (key, fingerprint, result)
  values (${key}, ${fingerprint}, ${JSON.stringify(rows)}::jsonb)
  on conflict on constraint idempotency_keys_pkey do update set
    fingerprint = case when kept.expires_at < now() then excluded.fingerprint else '' end,
    result = excluded.result,
    expires_at = excluded.expires_at`
