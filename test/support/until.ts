import { setTimeout as sleep } from 'node:timers/promises'

/** Longer than any machine takes, so that only what never happens fails. */
const LIMIT_MS = 60_000

/**
 * Waits until a condition holds.
 * @throws {Error} that names the condition, when it does not hold within a minute
 */
export async function until(what: string, holds: () => unknown): Promise<void> {
  const end = performance.now() + LIMIT_MS
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`Waited for a minute in vain until ${what}`)
    await sleep(5)
  }
}
