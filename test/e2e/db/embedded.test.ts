import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import t from 'tap'
import { startCluster } from '../../../db/embedded/cluster.ts'
import { accountFor, reaches } from '../../../db/embedded/place.ts'
import { startEmbedded } from '../../../db/embedded/start.ts'

/** Not the test's own folder, which is in the checkout: that may be in a private one. */
function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'todo-api-test-'))
  chmodSync(folder, 0o755)
  t.teardown(() => rmSync(folder, { recursive: true }))
  return folder
}

t.test('runs as nobody when started by root, and otherwise as the user who started it', async (t) => {
  t.match(await accountFor(0), { uid: Number, gid: Number })
  t.same(await accountFor(1000), {})
  t.same(await accountFor(undefined), {})
})

t.test('checks whether an account can reach a path', async (t) => {
  const folder = t.testdir()
  const account = { uid: process.getuid?.() ?? -1, gid: process.getgid?.() ?? -1 }
  t.equal(await reaches(folder, account), true)
  t.equal(await reaches(join(folder, 'nothing'), account), false)
  t.equal(await reaches(join(folder, 'nothing'), {}), true, 'without an account there is nothing to ask')
})

t.test('moves programs and data to a refuge that the server reaches, and leaves a link', async (t) => {
  const folder = makeFolder()
  const options = { refuge: join(folder, 'refuge'), reaches: async () => false }
  for (const run of ['first', 'second']) {
    const cluster = await startCluster(join(folder, 'cluster'), 'for-tests-only', options)
    const sql = postgres(`postgres://postgres:for-tests-only@127.0.0.1:${cluster.port}/postgres`, { max: 1 })
    t.match(await sql`show server_version`, [{ server_version: /^18\./ }], run)
    await sql.end()
    await cluster.stop()
  }
  t.equal(readdirSync(join(folder, 'refuge')).length, 2, 'one copy of the programs, one cluster')
})

t.test(
  'takes over a folder whose holder is gone, and finishes what an interrupted start began',
  async (t) => {
    const folder = makeFolder()
    writeFileSync(join(folder, 'holder.pid'), '999999999\n')
    mkdirSync(join(folder, 'postgres/unfinished'), { recursive: true })
    chmodSync(join(folder, 'postgres'), 0o777)
    const embedded = await startEmbedded(folder)
    const sql = postgres(embedded.databaseUrl, { max: 1 })
    t.match(await sql`select current_user as me`, [{ me: 'todo_login' }])
    await sql.end()
    await embedded.stop()
    t.notOk(existsSync(join(folder, 'holder.pid')))
  },
)

t.test('does not come up where the server reaches less than it seemed', async (t) => {
  const options = { reaches: async () => true, flags: ['data_directory=/nowhere'] }
  await t.rejects(startCluster(join(makeFolder(), 'cluster'), 'for-tests-only', options))
})

t.test('reports why PostgreSQL does not start, and unlocks the folder', async (t) => {
  const folder = makeFolder()
  const embedded = await startEmbedded(folder)
  await embedded.stop()
  await t.rejects(startEmbedded(folder, ['no_such_setting=1']), {
    message: /did not start: .*no_such_setting/s,
  })
  t.notOk(existsSync(join(folder, 'holder.pid')))
  writeFileSync(
    join(folder, 'secrets.json'),
    JSON.stringify({ superuser: 'wrong', owner: 'a', login: 'b', jwt: 'c' }),
  )
  await t.rejects(startEmbedded(folder), { message: /password authentication failed/ })
  t.notOk(existsSync(join(folder, 'holder.pid')))
  t.equal(existsSync(join(folder, 'postgres/data/postmaster.pid')), false, 'and stops the server')
})
