import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { resolveBinary } from 'dbmate'
import t from 'tap'
import { cloneDatabase, createEmptyDatabase } from '../../support/clone-database.ts'

t.test('migrates down and up again with the db: scripts', async (t) => {
  const { ownerUrl, admin } = await createEmptyDatabase(t)
  const run = promisify(execFile)
  const script = (command: string, env: Record<string, string>) =>
    run(process.execPath, ['--import', 'ts-blank-space/register', 'db/dbmate.ts', command], {
      env: { ...process.env, ...env },
    })
  const applied = () =>
    admin<{ n: number }[]>`select count(*)::int as n from schema_migrations`.then(([row]) => row?.n ?? 0)
  const env = { ...process.env, DATABASE_URL: ownerUrl }
  await run(resolveBinary(), ['--no-dump-schema', 'migrate'], { env })
  const total = await applied()
  t.match(
    (await script('status', { MIGRATION_DATABASE_URL: ownerUrl })).stdout,
    `Applied: ${total}\nPending: 0`,
  )
  await script('rollback', { MIGRATION_DATABASE_URL: ownerUrl })
  t.equal(await applied(), total - 1)
  // The rest without Node, which takes longer to start than the step itself.
  while ((await applied()) > 0) await run(resolveBinary(), ['--no-dump-schema', 'rollback'], { env })
  const left = await admin`select relname from pg_class c join pg_namespace n on n.oid = relnamespace
    where relkind = 'r' and nspname !~ '^(pg_|information)'`
  t.same(
    left.map(({ relname }) => relname),
    ['schema_migrations'],
  )
  const none = { DATABASE_URL: '', MIGRATION_DATABASE_URL: '', DATA_DIR: '/nowhere' }
  await t.rejects(script('status', none), { code: 2, stderr: /^No database is configured: / })
  const DATA_DIR = t.testdir({ env: `MIGRATION_DATABASE_URL=${ownerUrl}\n` })
  await script('migrate', { DATA_DIR })
  t.equal(await applied(), total, 'and finds the embedded database by its folder')
  const policies = await admin`select from pg_policies where policyname = 'todos_select_own'`
  t.equal(policies.length, 1)
})

t.test('db:audit prints a table and the findings, and sets an exit code', async (t) => {
  const database = await cloneDatabase(t)
  const run = (args: string[], env: Record<string, string>) =>
    promisify(execFile)(
      process.execPath,
      ['--import', './test/support/strip-types.mjs', 'db/audit/report.ts', ...args],
      {
        env: {
          ...process.env,
          DATA_DIR: t.testdirName,
          DATABASE_URL: '',
          MIGRATION_DATABASE_URL: '',
          ...env,
        },
      },
    ).then(
      ({ stdout }) => ({ code: 0, stdout, stderr: '' }),
      ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
    )
  const urls = { DATABASE_URL: database.url, MIGRATION_DATABASE_URL: database.ownerUrl }
  const [clean, owner, json, help, none, role, schema] = await Promise.all([
    run(['--schema', 'public', '--schema', 'identity'], urls),
    run(['--column', 'user_id', '--schema', 'public'], { MIGRATION_DATABASE_URL: database.ownerUrl }),
    run(['--json', '--schema', 'public'], urls),
    run(['--help'], {}),
    run([], {}),
    run(['--role', 'mistyped'], urls),
    run(['--schema', 'public', '--schema', 'pubic'], urls),
  ])
  t.match(clean, {
    code: 0,
    stdout: /^TABLE +RLS +POLICIES FOR +GRANTS$.*^public\.todos +forced +delete insert.*^No findings\.$/ms,
  })
  t.match(owner, { code: 1, stdout: /Findings: \d+.* owns public\.idempotency_keys/s })
  t.match(JSON.parse(json.stdout), { roles: [String], tables: [{ rls: 'forced' }], findings: [] })
  t.match(help, { code: 0, stdout: /--role/ })
  t.match(none, { code: 2, stderr: /^No database is configured: start the service/ })
  t.match(role, { code: 2, stdout: '', stderr: 'The role mistyped does not exist.' })
  t.match(schema, { code: 2, stdout: '', stderr: 'The schema pubic does not exist.' })
})
