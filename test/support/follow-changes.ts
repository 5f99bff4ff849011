import type postgres from 'postgres'
import type { Test } from 'tap'
import type { Change } from '../../src/todos/sync-schema.ts'
import type { TestUser } from './app.ts'
import { until } from './until.ts'

/** Waits for every transaction that has begun: those of other tests on the server delay what clients are told. */
export async function settleTransactions(admin: postgres.Sql): Promise<void> {
  const [now] = await admin<{ xid: string }[]>`select pg_current_xact_id()::text as xid`
  await until('older transactions have ended', async () => {
    const [row] = await admin<{ past: boolean }[]>`
      select pg_snapshot_xmin(pg_current_snapshot()) > ${`${now?.xid}`}::text::xid8 as past`
    return row?.past === true
  })
}

/** A client of a user, without a copy: what it is told. */
export function followChanges(t: Test, admin: postgres.Sql, { ask }: TestUser, limit = 100) {
  let token = ''
  return async (wait = () => settleTransactions(admin)) => {
    await wait()
    const told: string[] = []
    for (let more = true; more; ) {
      const answer = await ask('GET', `/todos/changes?limit=${limit}${token && `&since=${token}`}`)
      const { changes, next_token, has_more } = answer.json()
      t.equal(answer.statusCode, 200, answer.body)
      told.push(
        ...changes.map(({ op, id, todo }: Change) =>
          todo ? `${todo.title} ${todo.version}` : `${op} ${id}`,
        ),
      )
      token = next_token
      more = has_more
    }
    return told
  }
}
