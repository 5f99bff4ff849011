import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import postgres from 'postgres'
import t, { type Test } from 'tap'
import { password } from '../support/app.ts'
import { cloneDatabase, type TestDatabase } from '../support/clone-database.ts'
import { credentialOf } from '../support/credential-of.ts'
import { makeFolder } from '../support/embedded.ts'
import { needs } from '../support/external-programs.ts'
import { OfflineClient, type Todo } from '../support/offline-client.ts'
import { startPooler } from '../support/pooler.ts'
import { JWT_SECRET, start } from '../support/service-process.ts'
import { clientSteps, Replica, write, writerSteps } from '../support/sync-world.ts'
import { until } from '../support/until.ts'

// SYNC_SEED says which scripts, SYNC_SECONDS for how long new ones are begun.
const seed = Number(process.env.SYNC_SEED ?? Date.now() % 2 ** 31)
const seconds = Number(process.env.SYNC_SECONDS ?? 8)

type Send = ConstructorParameters<typeof Replica>[0]

/** A fresh user, and how to send requests to each of some servers in turn. */
async function enter(servers: readonly string[]) {
  const post = async (path: string, body: object) => {
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(`${servers[0]}${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers,
    })
    return answer.json() as Promise<{ access_token: string }>
  }
  const email = `${randomUUID()}@example.com`
  await post('/register', { email, password })
  const { access_token: token } = await post('/login', { email, password })
  let sent = 0
  const send: Send = async (method, path, body, given) => {
    const headers = {
      authorization: `Bearer ${token}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...given,
    }
    const answer = await fetch(`${servers[sent++ % servers.length]}${path}`, {
      method,
      headers,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    return { status: answer.status, json: () => JSON.parse(text || 'null') }
  }
  return { send, token }
}

/** Random writers, clients with a copy, and devices that work offline, on two servers at once. */
async function liveFor(t: Test, servers: readonly string[], { url }: TestDatabase) {
  const { send, token } = await enter(servers)
  const { user_id, session_id, secret } = credentialOf(token)
  const sql = postgres(url, { max: 4 })
  t.teardown(() => sql.end())
  const end = performance.now() + seconds * 1000
  const isOver = () => performance.now() > end
  const sample = <T>(arbitrary: fc.Arbitrary<T>, n: number) =>
    fc.sample(arbitrary, { seed: seed + n, numRuns: 400 })

  const open = new Set<Promise<unknown>>()
  let turns = 0
  const slow = (n: number, commits: boolean, id: string | undefined) => {
    if (open.size >= 3) return
    const done = sql
      .begin(async (tx) => {
        await tx`select app.authenticate(${user_id}, ${session_id}, ${secret})`
        await tx`
          with written as (
            insert into todos (id, title, folded_title) values (gen_random_uuid(), 'slow', 'slow') returning id, version
          )
          insert into todo_changes (todo_id, version) select id, version from written`
        const until = turns + (n % 20)
        while (turns < until && !isOver()) await new Promise(setImmediate)
        if (id)
          await tx`
            with written as (
              update todos set title = 'slow', version = version + 1 where id = ${id} returning id, version
            )
            insert into todo_changes (todo_id, version) select id, version from written`
        if (!commits) throw new Error('rolled back')
      })
      .catch(() => {})
      .finally(() => open.delete(done))
    open.add(done)
  }
  const writer = async (n: number) => {
    for (const steps of sample(writerSteps(10), n)) {
      if (isOver()) return
      await write(send, steps, slow)
    }
  }
  const replica = async (n: number) => {
    const client = new Replica(send)
    for (const steps of sample(clientSteps(8), n))
      for (const step of steps) {
        turns++
        if (!isOver()) await client.sync(step)
      }
    return client
  }
  const device = async (n: number) => {
    const client = new OfflineClient({
      save: () => {},
      resolve: ({ members }, current) => (current ? members : null),
      async send(method, path, body, headers) {
        const answer = await send(method as 'GET', path, body, headers)
        if (turns % 5 === 0) throw new Error('the answer was lost')
        return { status: answer.status, body: answer.json() }
      },
    })
    for (let m = n; !isOver(); m++) {
      const known = [...client.todos().keys()]
      const id = known[m % known.length]
      if (m % 3 === 0 || !id) client.create({ title: `device ${n}.${m}` })
      else if (m % 3 === 1) client.update(id, { title: `device ${n}.${m}` })
      else client.delete(id)
      await client.sync()
    }
    return client
  }
  const [, , , replicas, devices] = await Promise.all([
    writer(1),
    writer(2),
    writer(3),
    Promise.all([replica(1), replica(2)]),
    Promise.all([device(1), device(2)]),
  ])
  turns = 1
  await Promise.all(open)
  for (const client of replicas) await client.settle()
  const copy = replicas[0]?.store as Map<string, Todo>
  t.ok(copy.size > 0, `${copy.size} todos`)
  for (const client of devices)
    await until('a device is equal to the server', async () => {
      if (!(await client.sync())) return false
      for (const each of replicas) await each.settle()
      const own = client.todos()
      return own.size === copy.size && [...own].every(([id, todo]) => copy.get(id)?.version === todo.version)
    })
  t.ok(
    [...copy.values()].filter(({ title }) => title.startsWith('device')).length > 0,
    'also of what devices wrote',
  )
  return new Set(copy.keys())
}

async function syncOn(t: Test, database: TestDatabase, url: string) {
  const env = { DATABASE_URL: url, JWT_SECRET, RATE_LIMIT_API: '0', TRASH_DAYS: '1' }
  const servers = await Promise.all([1, 2].map(() => start(t, env, makeFolder(t)).ready()))
  const copies = await Promise.all([liveFor(t, servers, database), liveFor(t, servers, database)])
  t.notOk(
    [...(copies[0] ?? [])].some((id) => copies[1]?.has(id)),
    "nothing of another user's",
  )
}

t.test(`keeps every copy equal with two servers, seed ${seed}`, async (t) => {
  const database = await cloneDatabase(t)
  await syncOn(t, database, database.url)
})

t.test(`keeps every copy equal behind PgBouncer, seed ${seed}`, needs('pgbouncer'), async (t) => {
  const database = await cloneDatabase(t)
  await syncOn(t, database, await startPooler(t, database.url))
})
