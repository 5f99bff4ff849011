import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Todo } from '../../src/todos/schema.ts'
import { importBuild } from './build.ts'

// The production build as a process of its own, with its door to the database as it is (`api`), or replaced:
// by the bare query as the table's owner, without row-level security and transaction (`bare`), or by its answer
// kept in memory (`memory`). Tells its parent the address.

const { buildApp } = await importBuild<typeof import('../../src/app.ts')>('app')
const { loadConfig } = await importBuild<typeof import('../../src/config.ts')>('config')
const { createDatabase } =
  await importBuild<typeof import('../../src/database/database.ts')>('database/database')

const mode = process.argv[2]
const config = loadConfig(process.env)
const app = await buildApp(config)

if (mode !== 'api') {
  const { withoutUser } = createDatabase(loadConfig({ ...process.env, DATABASE_URL: process.env.OWNER_URL }))
  const bare = (user: string) =>
    withoutUser(
      (tx) => tx<Todo>`
        select id, title, notes, completed, completed_at, due_at, priority, tags, position, version, created_at, updated_at
        from todos
        where user_id = ${user}
        order by id desc
        limit ${21} offset ${0}`,
    )
  const answers = new Map<string, Promise<unknown>>()
  const remembered = (user: string) => {
    const answer = answers.get(user) ?? bare(user)
    answers.set(user, answer)
    return answer
  }
  app.database.withUser = async ({ user_id }) =>
    (mode === 'bare' ? bare(user_id) : remembered(user_id)) as never
}
await app.listen({ port: 0, host: '127.0.0.1' })
process.send?.(app.listeningOrigin)
// Asked how long the event loop has stood still at most since it was asked before.
const delay = monitorEventLoopDelay({ resolution: 1 })
process.on('message', () => {
  // After the monitor's next look, which a stall has put off.
  setTimeout(() => {
    process.send?.({ stall: delay.max / 1e6 })
    delay.enable()
    delay.reset()
  }, 3)
})
process.on('SIGTERM', () => process.exit())
