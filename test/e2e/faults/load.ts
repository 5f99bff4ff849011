import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import type { TestDatabase } from '../../support/clone-database.ts'

const WRITERS = 8

/** A write, and the last answer to it; none at all is status 0. */
interface Write {
  title: string
  status: number
  /** Whether the answer leaves open what was done. */
  open: boolean
}

/**
 * Writes todos without pause, each with a title of its own, half of them with an Idempotency-Key and again until an
 * answer says what became of it; and asks how the API is. All until stopped.
 */
export function startLoad(api: () => string, token: string) {
  const writes: Write[] = []
  const probes: { path: string; status: number; at: number }[] = []
  const strange: string[] = []
  let longest = 0
  let over = false
  const send = async (title: string, key?: string): Promise<Write> => {
    const start = performance.now()
    try {
      const answer = await fetch(`${api()}/todos`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          ...(key && { 'idempotency-key': key }),
        },
        body: JSON.stringify({ title }),
      })
      const body = (await answer.json()) as { code?: string; detail?: string }
      const told = answer.status === 503 && answer.headers.has('retry-after')
      // A key whose first request is still under way is a refusal too.
      const busy = answer.status === 409 && body.code === 'request_in_progress'
      if (answer.status !== 201 && !told && !busy) strange.push(`${answer.status} ${JSON.stringify(body)}`)
      return { title, status: answer.status, open: /outcome of this write is unknown/.test(`${body.detail}`) }
    } catch {
      return { title, status: 0, open: true }
    } finally {
      longest = Math.max(longest, performance.now() - start)
    }
  }
  const write = async (writer: number) => {
    while (!over) {
      const title = randomUUID()
      let last = await send(title, writer % 2 === 0 ? title : undefined)
      // Whoever is told to come back does so sooner here.
      while (writer % 2 === 0 && last.status !== 201 && !over) {
        await sleep(20)
        last = await send(title, title)
      }
      writes.push(writer % 2 === 0 && last.status !== 201 ? { ...last, open: true } : last)
      if (last.status !== 201) await sleep(20)
    }
  }
  const probe = async (path: string) => {
    while (!over) {
      const at = performance.now()
      const answer = await fetch(api() + path).catch(() => undefined)
      await answer?.arrayBuffer()
      const status = answer?.status ?? 0
      probes.push({ path, status, at })
      longest = Math.max(longest, performance.now() - at)
      await sleep(20)
    }
  }
  const ended = Promise.all([
    ...Array.from({ length: WRITERS }, (_, writer) => write(writer)),
    probe('/health'),
    probe('/ready'),
  ])
  return {
    writes,
    /** Statuses of a path since a moment of performance.now(). */
    answers: (path: string, since = 0) =>
      probes.filter((probe) => probe.path === path && probe.at >= since).map(({ status }) => status),
    /** Answers that no fault explains. */
    strange,
    longest: () => longest,
    /** Waits until so many more writes are kept. */
    async more(count: number) {
      const kept = () => writes.filter(({ status }) => status === 201).length
      const goal = kept() + count
      while (kept() < goal) await sleep(5)
    },
    async stop() {
      over = true
      await ended
    },
  }
}

/** Every write that was told as done is there once, and none that was refused. */
export async function checkWrites(t: Test, { admin }: Pick<TestDatabase, 'admin'>, writes: readonly Write[]) {
  const rows = await admin<{ title: string; count: number }[]>`
    select title, count(*)::integer as count from todos group by title`
  const count = new Map(rows.map(({ title, count }) => [title, count]))
  const kept = writes.filter(({ status }) => status === 201)
  const refused = writes.filter(({ status, open }) => status !== 201 && !open)
  t.comment(
    `${kept.length} kept, ${refused.length} refused, ${writes.length - kept.length - refused.length} open`,
  )
  t.ok(kept.length > 0)
  t.same(
    kept.filter(({ title }) => count.get(title) !== 1),
    [],
    'every write that was answered with 201 is there once',
  )
  t.same(
    refused.filter(({ title }) => count.has(title)),
    [],
    'none that was refused is there',
  )
  t.same(
    rows.filter(({ count }) => count > 1),
    [],
    'nothing is there twice',
  )
}
