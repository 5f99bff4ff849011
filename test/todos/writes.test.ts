import { randomBytes, randomUUID } from 'node:crypto'
import { Client } from 'pg'
import t from 'tap'
import { fragment, type Tx } from '../../src/database/transaction.ts'
import { ANY_VERSION } from '../../src/http/conditional.ts'
import type { TodoPatch } from '../../src/todos/schema.ts'
import { createTodo, deleteTodo, deleteTodos, lockTodos, updateTodo } from '../../src/todos/sql.ts'
import { setUp, signUp } from '../support/app.ts'
import { credentialOf } from '../support/credential-of.ts'

// What the statements of the API cost, as PostgreSQL counts it: no time is measured.

const { app, database } = await setUp(t)

/** Compiles a statement to its text and values, as a transaction sends it. */
function compile(strings: TemplateStringsArray, parts: readonly unknown[], values: unknown[] = []): string {
  return strings.reduce((text, string, index) => {
    const given = parts[index - 1]
    const part = typeof given === 'function' ? given(null, fragment``) : given
    const nested = part?.strings ? compile(part.strings, part.parts, values) : `$${values.push(part)}`
    return text + nested + string
  })
}

/** Runs statements as the user of a token, and returns their plans instead of their rows: a request may not EXPLAIN. */
async function explain<T>(token: string, run: (tx: Tx, client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: database.url })
  await client.connect()
  try {
    const { user_id, session_id, secret } = credentialOf(token)
    await client.query('begin')
    await client.query('select from app.authenticate($1, $2, $3)', [user_id, session_id, secret])
    const tx = async (strings: TemplateStringsArray, ...parts: unknown[]) => {
      const values: unknown[] = []
      const text = compile(strings, parts, values)
      const explained = `explain (analyze, wal, costs off, timing off, summary off) ${text}`
      return (await client.query(explained, values)).rows
    }
    const result = await run(tx as unknown as Tx, client)
    await client.query('commit')
    return result
  } finally {
    await client.end()
  }
}
const toText = (rows: object[]) => rows.map((row) => Object.values(row)[0]).join('\n')

/** The bytes of WAL of a plan, and whether a whole page was written, as after each checkpoint. */
function readWal(plan: string) {
  const [, pages = '0', bytes] =
    /WAL: records=\d+ (?:fpi=(\d+) )?(?:fpi bytes=\d+ )?bytes=(\d+)/.exec(plan) ?? []
  return { pages: Number(pages), bytes: Number(bytes) }
}

t.test(
  'writes less than 1 kB for a small change of a todo with long notes, and no index entry',
  async (t) => {
    const user = await signUp(app)
    const notes = randomBytes(7500).toString('base64')
    const { id } = (await user.ask('POST', '/todos', { title: 'a', notes })).json()
    const update = (patch: TodoPatch) =>
      explain(user.token, async (tx, client) => {
        const countHot = async () => {
          const { rows } = await client.query(
            "select pg_stat_get_xact_tuples_hot_updated('todos'::regclass) as hot",
          )
          return Number(rows[0].hot)
        }
        const before = await countHot()
        const plan = toText(await updateTodo(tx, id, patch, ANY_VERSION))
        return { ...readWal(plan), hot: (await countHot()) - before }
      })
    for (const patch of [
      { completed: true },
      { title: 'Another' },
      { position: 7 },
      { due_at: '2027-01-01T00:00:00Z' },
      { tags: ['a'] },
      { priority: 1, completed: false },
    ]) {
      let written = await update(patch)
      while (written.pages > 0) written = await update(patch)
      t.ok(written.bytes > 0 && written.bytes < 1000, `${JSON.stringify(patch)}: ${written.bytes} bytes`)
      t.equal(written.hot, 1, 'a HOT update')
    }
    t.match((await user.ask('GET', `/todos/${id}`)).json(), { title: 'Another', notes, completed: false })
  },
)

t.test('changes nothing for an empty patch', async (t) => {
  const user = await signUp(app)
  const before = (await user.ask('POST', '/todos', { title: 'a' })).json()
  const key = { 'idempotency-key': randomUUID() }
  for (const headers of [undefined, { 'if-match': '"1"' }, key, key])
    t.same((await user.ask('PATCH', `/todos/${before.id}`, {}, headers)).json(), before)
  t.equal((await user.ask('PATCH', `/todos/${before.id}`, {}, { 'if-match': '"2"' })).statusCode, 412)
  t.equal((await user.ask('PATCH', `/todos/${randomUUID()}`, {})).statusCode, 404)
})

t.test('has no index on todos but the key, which every write would pay for', async (t) => {
  const indexes =
    await database.admin`select indexrelid::regclass::text as name from pg_index where indrelid = 'todos'::regclass`
  t.same(indexes, [{ name: 'todos_pkey' }])
})

t.test('verifies the context of a write once per statement, however many rows it changes', async (t) => {
  const user = await signUp(app)
  await database.admin`
    insert into todos (user_id, id, title, folded_title, completed, completed_at)
    select ${user.id}, gen_random_uuid(), 'a', 'a', true, now() from generate_series(1, 3000)`
  await database.admin`analyze todos`
  const rows = await database.admin<
    { id: string }[]
  >`select id from todos where user_id = ${user.id} limit 101`
  const [first = '', ...others] = rows.map(({ id }) => id)
  const statements: Record<string, (tx: Tx) => Promise<object[]>> = {
    updateTodo: (tx) => updateTodo(tx, first, { title: 'b', completed: true }, ANY_VERSION),
    deleteTodo: (tx) => deleteTodo(tx, first, ANY_VERSION, 30),
    lockTodos: (tx) => lockTodos(tx, others),
    'deleteTodos completed': (tx) => deleteTodos(tx, 'completed', 30),
    'deleteTodos all': (tx) => deleteTodos(tx, 'all', 30),
  }
  for (const [name, run] of Object.entries(statements)) {
    const plan = await explain(user.token, async (tx) => toText(await run(tx)))
    t.match(plan, /Index Cond: .*app\.context/, name)
    t.notMatch(plan, /^\s*(Filter|Join Filter): .*app\.context/m, plan)
    t.notMatch(plan, /loops=(?!1\b)\d/, plan)
  }
  const created = await explain(user.token, async (tx) =>
    toText(await createTodo(tx, randomUUID(), { title: 'a' })),
  )
  t.match(created, 'Insert on todos')
})
