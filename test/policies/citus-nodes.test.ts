import type { Sql } from 'postgres'
import t from 'tap'
import { cloneDatabase, createEmptyDatabase } from '../support/clone-database.ts'
import { tryAttacks } from './attacks/attacks.ts'
import { placement, standIns } from './citus.ts'
import { derivedTables } from './derived.ts'
import { fill, ids, insertRows } from './fixture.ts'
import { tryFunctions, tryTable } from './table.ts'

// The context as db/citus.sql has it sealed on the coordinator and verified on the nodes. A second database stands in
// for a node: it runs what is sent to the nodes, and has a shard.

const coordinator = await cloneDatabase(t)
const { admin: node } = await createEmptyDatabase(t)
/** Without what changes roles of the whole server, which other tests share. */
const local = placement.replace('alter role todo_auth login;', '')
const apply = async () => {
  await coordinator.admin.unsafe(local)
  const sent = await coordinator.admin<{ command: string }[]>`delete from sent_to_nodes returning command`
  for (const { command } of sent) await node.unsafe(command)
}
await insertRows(coordinator.admin)
// The rows stay, for the tests below.
await coordinator.admin.unsafe(standIns.replace('truncate %s cascade', 'select'))
await apply()
await node.unsafe(
  fill(`
  create table todos_102008 (user_id uuid default app.user_id(), id uuid, primary key (user_id, id));
  insert into todos_102008 values (:ada, :own), (:bob, :other);
  alter table todos_102008 enable row level security, force row level security;
  create policy todos_select_own on todos_102008 for select to todo_api using (user_id = app.user_id());
  create policy todos_insert_own on todos_102008 for insert to todo_api with check (user_id = app.user_id('todos:write'));
  grant select, insert on todos_102008 to todo_api`),
)

/** A context as the coordinator seals it, for Ada. */
async function seal(sql: Sql = coordinator.admin): Promise<string> {
  const [row] = await sql.unsafe<{ sealed: string }[]>(
    fill(`select identity.sealed_context(:ada, :used, now(), '{todos:read,todos:write}') as sealed`),
  )
  return `${row?.sealed}`
}
/** Runs a statement on the node with a context, as the API's role. */
const ask = (context: string, statement = 'select id from todos_102008') =>
  node.begin(async (sql) => {
    await sql`select set_config('app.context', ${context}, true)`
    await sql`set local role todo_api`
    return [...(await sql.unsafe<{ id: string }[]>(fill(statement)))].map(({ id }) => id)
  })
const insert = (user: string) => `insert into todos_102008 values (${user}, :new) returning id`

t.test('verifies the context of the coordinator on a node', async (t) => {
  const context = await seal()
  t.same(await ask(context), [ids.own])
  t.same(await ask(''), [])
  t.same(await ask(context.replace(ids.ada, ids.bob)), [])
  t.same(await ask(`${context} account`), [], 'nor with a scope more')
  t.same(await ask(context, insert(':ada')), [ids.new])
  await node`delete from todos_102008 where id = ${ids.new}`
  await t.rejects(ask(context, insert(':bob')), { code: '42501' })
  await t.rejects(ask(context.replace('todos:write', 'todos:more'), insert(':ada')), { code: '42501' })
})

t.test('refuses a context that was sealed more than two minutes ago, or with another time', async (t) => {
  const at = (seconds: number) =>
    coordinator.admin
      .unsafe<{ sealed: string }[]>(
        fill(`
      select concat_ws(' ', k.id, encode(identity.hmac(k.inner_block, k.outer_block, fields), 'hex'), fields) as sealed
      from identity.secret_keys k, concat_ws(' ', extract(epoch from now()) - ${seconds}, :ada, :used, '-', 'todos:read') as fields
      where k.purpose = 'context'`),
      )
      .then(([row]) => `${row?.sealed}`)
  t.same(await ask(await at(100)), [ids.own])
  t.same(await ask(await at(-100)), [ids.own], 'of a clock that is ahead')
  for (const seconds of [130, -130])
    await t.rejects(ask(await at(seconds)), { code: '55000', message: /check the clocks/ })
  const old = await at(130)
  const [, , time = ''] = old.split(' ')
  t.same(await ask(old.replace(time, `${Number(time) + 100}`)), [], 'the time is sealed too')
})

t.test('isolates on the coordinator as on plain PostgreSQL', async (t) => {
  for await (const { name, expected, actual } of tryFunctions(coordinator))
    if (actual !== expected) t.equal(actual, expected, name)
  // In a table that app.delete_content does not know from the migrations, db/citus.sql lets it delete the user's rows.
  const deletable = (await derivedTables(coordinator.admin))
    .filter(({ name }) => !name.includes('.'))
    .map(({ name }) => `delete from ${name}, as definer, granted`)
  for await (const { name, expected, actual } of tryTable(coordinator, 'granted'))
    if (actual !== (deletable.includes(name) ? '1' : expected)) t.equal(actual, expected, name)
  // A context without a known key is an error there, and one can be used again for two minutes: docs/security.md.
  const replays: string[] = []
  for await (const { name, expected, actual } of tryAttacks(coordinator, 'refused'))
    if (actual !== expected && actual !== '55000') replays.push(name)
  t.equal(replays.length, 4)
  for (const name of replays) t.match(name, /^an attacker wants to stay logged in/)
})

t.test('fails without the key, and accepts a new one after another run of the file', async (t) => {
  await coordinator.admin`select app.rotate_context_key()`
  const context = await seal()
  await t.rejects(ask(context), { code: '55000', message: /run db\/citus\.sql/ })
  await apply()
  t.same(await ask(context), [ids.own])
})

t.test('lets no other role read the key on a node, or execute a function', async (t) => {
  await t.rejects(ask('', 'select inner_block as id from identity.secret_keys'), { code: '42501' })
  const open = await node`
    select oid::regprocedure from pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner)))
    where pronamespace in ('app'::regnamespace, 'identity'::regnamespace) and grantee = 0`
  t.same([...open], [])
  const owners = await node`
    select distinct proowner::regrole::text as name from pg_proc where pronamespace = 'app'::regnamespace`
  t.same([...owners], [{ name: 'todo_auth' }])
})
