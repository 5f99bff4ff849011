import type { Connection } from './connection.ts'

/** Runs `use`, and rejects as soon as the connection is lost, whatever `use` is waiting for. */
export const untilLost = <T>(connection: Connection, use: (connection: Connection) => Promise<T>) =>
  new Promise<T>((resolve, reject) => {
    connection.onLost = reject
    use(connection).then(resolve, reject)
  })

const works = new WeakMap<AbortSignal, Set<() => void>>()
/** What is called when a signal is aborted. Adding a listener to the signal for each request is slow. */
export function workOf(signal: AbortSignal): Set<() => void> {
  const known = works.get(signal)
  if (known) return known
  const work = new Set<() => void>()
  works.set(signal, work)
  signal.addEventListener('abort', () => {
    for (const abort of work) abort()
  })
  return work
}
