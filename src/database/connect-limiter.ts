import { randomInt } from 'node:crypto'
import { type Deferred, defer } from './deferred.ts'

/** Connections that one process opens at the same time: after a failover every replica reconnects at once. */
const MAX_OPENING = 4
const FIRST_DELAY_MS = 100
const MAX_DELAY_MS = 1000

export interface ConnectLimiter {
  /**
   * Opens a connection when fewer than four others are being opened.
   * @throws what `connect` throws; the last failure, without trying, while backing off
   */
  run(connect: () => Promise<void>): Promise<void>
  /** Whether the last attempt failed and the next one may not start yet. */
  isBackingOff(): boolean
}

/**
 * Limits how often and how many connections are opened at once. After a failure one attempt at a time is made, at
 * intervals that double up to a second and are shortened at random by up to a half.
 * @param now the clock, in milliseconds
 * @param random a number from 0 to 1
 */
export function createConnectLimiter(
  now: () => number = () => performance.now(),
  random: () => number = () => randomInt(1000) / 1000,
): ConnectLimiter {
  const waiting: Deferred<void>[] = []
  let opening = 0
  let failures = 0
  let retryAt = 0
  let fault: unknown

  const isBackingOff = () => failures > 0 && (opening > 0 || now() < retryAt)

  async function run(connect: () => Promise<void>): Promise<void> {
    if (isBackingOff()) throw fault
    if (opening < MAX_OPENING) opening++
    else {
      const turn = defer<void>()
      waiting.push(turn)
      await turn.promise
    }
    // Attempts that fail together count once.
    const earlier = failures
    try {
      await connect()
      failures = 0
    } catch (error) {
      fault = error
      failures = earlier + 1
      const delay = Math.min(FIRST_DELAY_MS * 2 ** earlier, MAX_DELAY_MS)
      retryAt = now() + delay * (1 - random() / 2)
      for (const { reject } of waiting.splice(0)) reject(error)
      throw error
    } finally {
      const next = waiting.shift()
      if (next) next.resolve()
      else opening--
    }
  }

  return { run, isBackingOff }
}
