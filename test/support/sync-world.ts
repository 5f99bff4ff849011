import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import type { Change } from '../../src/todos/sync-schema.ts'
import { until } from './until.ts'

// Random writers and syncing clients of one user, for the tests that every client ends equal to the server.

type Send = (
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
  url: string,
  body?: unknown,
  headers?: Record<string, string>,
) => Promise<{ status: number; json: () => unknown }>
type Row = { id: string; title: string; version: number }

/** A client that keeps a copy, and loses answers, repeats requests and goes back to old tokens. */
export class Replica {
  store = new Map<string, unknown>()
  private tokens: string[] = []
  private readonly send: Send
  constructor(send: Send) {
    this.send = send
  }

  /** Asks once, from the newest token unless told otherwise. @returns whether there is more */
  async sync({ lose = false, back = 0, limit = 100 } = {}): Promise<boolean> {
    const since = this.tokens.at(-1 - back) ?? this.tokens.at(-1)
    const answer = await this.send('GET', `/todos/changes?limit=${limit}${since ? `&since=${since}` : ''}`)
    if (answer.status === 503) return true
    if (answer.status !== 200) throw new Error(`${answer.status} ${JSON.stringify(answer.json())}`)
    if (lose) return true
    const { changes, next_token, has_more } = answer.json() as {
      changes: Change[]
      next_token: string
      has_more: boolean
    }
    for (const { op, id, todo } of changes) {
      if (op === 'upsert') this.store.set(id, todo)
      else this.store.delete(id)
    }
    this.tokens.push(next_token)
    return has_more
  }

  /** Waits until the copy equals the server's list: the newest transactions may take a moment to be sent. */
  settle(): Promise<void> {
    return until('a client is equal to the server', async () => {
      while (await this.sync());
      const own = [...this.store.values()].sort((a, b) => ((a as Row).id < (b as Row).id ? 1 : -1))
      return JSON.stringify(own) === JSON.stringify(await listAll(this.send))
    })
  }
}

async function listAll(send: Send): Promise<unknown[]> {
  const todos: unknown[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const answer = await send('GET', `/todos?limit=100${cursor && `&cursor=${cursor}`}`)
    if (answer.status !== 200) continue
    const page = answer.json() as { data: unknown[]; next_cursor: string | null }
    todos.push(...page.data)
    cursor = page.next_cursor
  }
  return todos
}

const kinds = [
  'create',
  'create',
  'patch',
  'patch',
  'delete',
  'restore',
  'batch',
  'twice',
  'replay',
  'failing',
] as const
const rare = ['slow', 'slow', 'rollback', 'clear', 'purge'] as const
export const writerSteps = (maxLength: number) =>
  fc.array(fc.tuple(fc.constantFrom(...kinds, ...rare), fc.nat(50)), { minLength: 5, maxLength })
export type WriterStep = readonly [(typeof kinds)[number] | (typeof rare)[number], number]
export const clientSteps = (maxLength: number) =>
  fc.array(fc.record({ lose: fc.boolean(), back: fc.nat(4), limit: fc.constantFrom(1, 2, 5, 100) }), {
    minLength: 3,
    maxLength,
  })

const ok = [200, 201, 204, 404, 409, 412, 503]
const pick = <T>(items: readonly T[], n: number): T | undefined => items[n % items.length]

/**
 * Sends one random write after another.
 * @param slow writes in a transaction that commits late, or not at all
 */
export async function write(
  send: Send,
  steps: readonly WriterStep[],
  slow: (n: number, commits: boolean, id: string | undefined) => void,
): Promise<void> {
  const call = async (...request: Parameters<Send>) => {
    const answer = await send(...request)
    if (!ok.includes(answer.status)) throw new Error(`${request}: ${answer.status}`)
    return answer
  }
  const idsOf = async (url: string) => {
    const answer = await call('GET', url)
    return answer.status === 200 ? (answer.json() as { data: Row[] }).data.map(({ id }) => id) : []
  }
  for (const [kind, n] of steps) {
    const id = pick(await idsOf('/todos?limit=20'), n)
    const update = { op: 'update', id, todo: { title: `batch ${n}` } }
    const create = { op: 'create', todo: { title: `batch ${n}` } }
    if (kind === 'create') await call('POST', '/todos', { title: `new ${n}` })
    else if (kind === 'replay') {
      const key = { 'idempotency-key': randomUUID() }
      for (let m = 0; m < 2; m++) await call('POST', '/todos', { title: 'once' }, key)
    } else if (kind === 'restore' || kind === 'purge') {
      const trashed = pick(await idsOf('/trash?limit=20'), n)
      if (trashed && kind === 'restore') await call('POST', `/trash/${trashed}/restore`)
      else if (trashed) await call('DELETE', `/trash/${trashed}`)
    } else if (kind === 'clear') await call('DELETE', `/todos?completed=true`)
    else if (kind === 'slow' || kind === 'rollback') slow(n, kind === 'slow', id)
    else if (!id) await call('POST', '/todos', { title: `first ${n}` })
    else if (kind === 'patch')
      await call('PATCH', `/todos/${id}`, n % 3 ? { title: `${n}` } : { completed: true })
    else if (kind === 'delete') await call('DELETE', `/todos/${id}`)
    else if (kind === 'batch')
      await call('POST', '/todos/batch', { operations: [create, update, { op: 'delete', id }, create] })
    else if (kind === 'twice') await call('POST', '/todos/batch', { operations: [update, create, update] })
    else
      await call('POST', '/todos/batch', {
        operations: [create, update, { op: 'delete', id: randomUUID() }],
      })
  }
}
