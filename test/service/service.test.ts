import t from 'tap'
import { findReadinessFaults } from '../../src/service/readiness.ts'
import { createApp, problem, setUp } from '../support/app.ts'
import { cloneDatabase, type TestDatabase } from '../support/clone-database.ts'

const { app, database } = await setUp(t)
const SECURITY_TXT = '/.well-known/security.txt'

t.test('reports liveness without a database query', async (t) => {
  const lost = await createApp(t, { url: 'postgres://nobody:x@127.0.0.1:1/none' })
  const answer = await lost.inject('/health')
  t.equal(answer.statusCode, 200)
  t.same(answer.json(), { status: 'ok' })
  const unready = await lost.inject('/ready')
  problem(t, unready, 503, 'unavailable')
  t.equal(unready.headers['retry-after'], '1')
})

t.test('is ready when database, migrations and role are as they must be', async (t) => {
  t.same((await app.inject('/ready')).json(), { status: 'ok' })
  t.same(await findReadinessFaults(app.database), [])
})

t.test(
  'is not ready on a role that row-level security does not bind, and says why only in the log',
  async (t) => {
    const { admin, url, ownerUrl } = database
    const login = new URL(url).username
    const as = async (change: string, undo: string, fault: RegExp, database: Pick<TestDatabase, 'url'>) => {
      await admin.unsafe(change)
      const checked = await createApp(t, database)
      const faults = await findReadinessFaults(checked.database)
      const answer = await checked.inject('/ready')
      await admin.unsafe(undo)
      t.ok(
        faults.some((found) => fault.test(found)),
        `${change}: ${faults.join(' ')}`,
      )
      problem(t, answer, 503, 'unavailable')
      t.equal((await checked.inject('/ready')).statusCode, database.url === url ? 200 : 503)
    }
    const odd = `odd_${Date.now()}`
    const oddUrl = Object.assign(new URL(url), { username: odd, password: 'for-tests-only' }).href
    await admin.unsafe(`create role ${odd} login password 'for-tests-only'`)
    await as(`alter role ${odd} superuser`, `alter role ${odd} nosuperuser`, /is a superuser/, {
      url: oddUrl,
    })
    await as(`alter role ${odd} bypassrls`, `alter role ${odd} nobypassrls`, /bypass row-level security/, {
      url: oddUrl,
    })
    await as('select 1', 'select 1', /is not a member of todo_api/, { url: oddUrl })
    await as('select 1', 'select 1', /owns the table public.todos/, { url: ownerUrl })
    await as(
      'create table bare (id int); grant select on bare to todo_api',
      'drop table bare',
      /can access the table public.bare/,
      { url },
    )
    const grant = (words: string) => `do $$ begin execute format('${words}', current_database()); end $$`
    await as(
      grant('grant temporary on database %I to public'),
      grant('revoke temporary on database %I from public'),
      /can create temporary objects/,
      { url },
    )
    await as(
      'grant create on schema app to todo_api',
      'revoke create on schema app from todo_api',
      /can create objects in the schema app/,
      { url },
    )
    await as(
      'alter function app.schema_version() reset search_path',
      'alter function app.schema_version() set search_path = pg_catalog, pg_temp',
      /app.schema_version\(\) does not have search_path/,
      { url },
    )
    await as(
      'alter table todos no force row level security',
      'alter table todos force row level security',
      /public.todos, whose row-level security is not enabled and forced/,
      { url },
    )
    await admin.unsafe(`drop role ${odd}`)
    t.ok(login)
  },
)

t.test('is not ready before the migrations', async (t) => {
  const empty = await cloneDatabase(t)
  await empty.admin`drop schema public cascade`
  await empty.admin`drop schema app cascade`
  const unmigrated = await createApp(t, empty)
  t.match(await findReadinessFaults(unmigrated.database), [
    /^The migration \d+ has not been applied: run npm run db:migrate\.$/,
  ])
  problem(t, await unmigrated.inject('/ready'), 503, 'unavailable')

  const old = await cloneDatabase(t)
  await old.admin`delete from schema_migrations where version = (select max(version) from schema_migrations)`
  const behind = await createApp(t, old)
  t.match(await findReadinessFaults(behind.database), [/has not been applied/])
})

t.test('is not ready with settings that do not fit a database sharded by Citus', async (t) => {
  // A table and a setting stand in for those of Citus.
  const sharded = await cloneDatabase(t)
  await sharded.admin.unsafe(`
    create table pg_dist_partition (logicalrelid regclass);
    alter table pg_dist_partition enable row level security, force row level security;
    create policy everyone on pg_dist_partition for select using (true);
    grant select on pg_dist_partition to todo_api`)
  const faults = async (DATABASE_SHARDED: string) => {
    const app = await createApp(t, sharded, { DATABASE_SHARDED })
    return findReadinessFaults(app.database)
  }
  const settings = /set citus\.propagate_set_commands to local/
  t.same(await faults('false'), [], 'before the tables are distributed')
  await sharded.admin`insert into pg_dist_partition values ('todos')`
  t.match(await faults('false'), [/set DATABASE_SHARDED=true/, settings])
  t.match(await faults('true'), [settings])
  const { username, pathname } = new URL(sharded.url)
  await sharded.admin.unsafe(
    `alter role ${username} in database ${pathname.slice(1)} set citus.propagate_set_commands = 'local'`,
  )
  t.same(await faults('true'), [])
  t.match(await faults('false'), [/set DATABASE_SHARDED=true/])
})

t.test('does not take an error of the database for a missing migration', async (t) => {
  const broken = await cloneDatabase(t)
  await broken.admin`create or replace function app.schema_version() returns text language sql as 'select (1 / 0)::text'`
  await t.rejects(findReadinessFaults((await createApp(t, broken)).database), { code: '22012' })
})

t.test('is not ready when it is about to close, and keeps no connection for a next request', async (t) => {
  const { app } = await setUp(t)
  app.shuttingDown = true
  const answer = await app.inject('/ready')
  problem(t, answer, 503, 'unavailable')
  t.equal(answer.headers.connection, 'close')
  const alive = await app.inject('/health')
  t.equal(alive.statusCode, 200)
  t.equal(alive.headers.connection, 'close')
})

t.test('names the contact for vulnerabilities (RFC 9116)', async (t) => {
  const now = () => Date.UTC(2026, 10, 25)
  const { app } = await setUp(t, { SECURITY_CONTACT: 'mailto:security@example.com' }, { now })
  const answer = await app.inject({ url: SECURITY_TXT, headers: { accept: 'text/plain' } })
  t.equal(answer.statusCode, 200)
  t.equal(answer.headers['content-type'], 'text/plain; charset=utf-8')
  t.equal(
    answer.body,
    'Contact: mailto:security@example.com\nExpires: 2027-05-24T00:00:00.000Z\nPreferred-Languages: en\n',
  )
  problem(t, await app.inject({ method: 'POST', url: SECURITY_TXT }), 405, 'method_not_allowed')
})

t.test('returns 404 when no contact is configured', async (t) => {
  problem(t, await app.inject(SECURITY_TXT), 404, 'not_found')
})

t.test('has no account before someone registers', async (t) => {
  t.same([...(await database.admin`select * from users`)], [])
})

t.test('serves files of the explorer only, and lists no folder', async (t) => {
  t.equal((await app.inject('/docs/static/theme/mark.svg')).statusCode, 200)
  for (const path of [
    ...['/.git/config', '/.env', '/package.json', '/src/app.ts', '/docs/static/.env', '/docs/static/theme/'],
    ...['/docs/static/../package.json', '/docs/static/%2e%2e/package.json', '/docs/static/..%2fpackage.json'],
    ...['/docs/static/..%5cpackage.json', '/docs/guide/..%2f..%2fpackage', '/docs/guide/%2fetc%2fpasswd'],
  ]) {
    const { statusCode, body } = await app.inject(path)
    t.ok([400, 404].includes(statusCode), `${path}: ${statusCode}`)
    t.notMatch(body, /todo-api"|root:/, path)
  }
})
