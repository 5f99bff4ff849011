import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { explainInitdb, startCluster } from '../../../db/embedded/cluster.ts'
import { explainFileError, writeSecretFile } from '../../../db/embedded/files.ts'
import { accountFor } from '../../../db/embedded/place.ts'
import { isPostmasterOf, stopOrphan } from '../../../db/embedded/postmaster.ts'
import { runProgram } from '../../../db/embedded/program.ts'
import { startEmbedded } from '../../../db/embedded/start.ts'
import { explainMissingPackage, withEmbeddedDatabase } from '../../../db/embedded/with-embedded-database.ts'
import { flags, makeFolder, pidFile, useAndStop } from '../../support/embedded.ts'

t.test('starts when another process has the ID of the stopped server', async (t) => {
  const folder = makeFolder(t)
  await (await startEmbedded(folder, flags)).stop()
  const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], {
    ...(await accountFor(process.getuid?.())),
    stdio: 'ignore',
  })
  t.teardown(() => other.kill('SIGKILL'))
  await once(other, 'spawn')
  const data = join(folder, 'postgres/data')
  writeFileSync(pidFile(folder), `${other.pid}\n${data}\n1764000000\n1\n\n127.0.0.1\n1 1\nready   \n`)
  await useAndStop(t, await startEmbedded(folder, flags), 'starts')
  t.equal(other.exitCode, null, 'and leaves the other process running')
})

t.test('explains why the data folder cannot be made', async (t) => {
  await t.rejects(startCluster(join(makeFolder(t), 'cluster'), ''), {
    message: /^The embedded PostgreSQL could not create its data folder: /,
  })
  const unknown = new Error('initdb: error: could not look up effective user ID 12345')
  t.match(explainInitdb(unknown, { uid: 12345 }), /^User 12345 has no entry in \/etc\/passwd, /)
  await t.rejects(runProgram('/no/such/program', []), { message: /ENOENT/ })
})

t.test('stops the server that a killed service left running, and no other one', async (t) => {
  const folder = makeFolder(t)
  const script = `
    import { startEmbedded } from './db/embedded/start.ts'
    await startEmbedded(process.argv[1], ['fsync=off'])
    process.kill(process.pid, 'SIGKILL')`
  const options = [
    '--import',
    './test/support/strip-types.mjs',
    '--input-type=module',
    '--eval',
    script,
    folder,
  ]
  await once(spawn(process.execPath, options, { stdio: 'ignore' }), 'exit')
  const orphan = Number(readFileSync(pidFile(folder), 'utf8').split('\n')[0])
  t.equal(await isPostmasterOf(join(folder, 'postgres/data'), orphan), true)
  const embedded = await startEmbedded(folder, flags)
  t.equal(await isPostmasterOf(join(folder, 'postgres/data'), orphan), false)
  await useAndStop(t, embedded, 'starts another one')
})

t.test('lets only one of several starts have the folder', async (t) => {
  const folder = makeFolder(t)
  const starts = await Promise.allSettled([1, 2, 3, 4].map(() => startEmbedded(folder, flags)))
  const [started, ...others] = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []))
  t.same(others, [])
  for (const start of starts)
    if (start.status === 'rejected')
      t.match(start.reason, { message: /^The data folder .* is in use by process \d+: / })
  t.ok(started)
  if (started) await useAndStop(t, started, 'which works')
})

t.test('keeps a database whose secrets are lost, and explains what to do', async (t) => {
  const folder = makeFolder(t)
  const secrets = join(folder, 'secrets.json')
  for (const text of ['', '{"superuser":"a"', '{}', 'null']) {
    writeFileSync(secrets, text)
    if (text === 'null')
      await useAndStop(t, await startEmbedded(folder, flags), 'makes them before there is a database')
  }
  const good = readFileSync(secrets, 'utf8')
  for (const text of [undefined, '', good.slice(0, 50), '{}', 'null']) {
    if (text === undefined) rmSync(secrets)
    else writeFileSync(secrets, text)
    await t.rejects(startEmbedded(folder, flags), {
      message: /^\S+secrets\.json is missing or damaged, .*: restore /,
    })
  }
  writeFileSync(secrets, good)
  await useAndStop(t, await startEmbedded(folder, flags), 'and opens it again')
})

t.test('recognises the remains of a stopped server', async (t) => {
  const data = t.testdir()
  const file = join(data, 'postmaster.pid')
  t.equal(await stopOrphan(data, 'pg_ctl', {}), undefined)
  writeFileSync(file, '')
  t.equal(await stopOrphan(data, 'pg_ctl', {}), undefined)
  t.notOk(existsSync(file), 'an empty file is removed')
  for (const pid of [process.pid, 4_194_000]) {
    writeFileSync(file, `${pid}\n`)
    t.equal(await stopOrphan(data, 'pg_ctl', {}), pid, 'a process that is not the server is left alone')
  }
})

t.test('explains in one sentence why it cannot use a folder', async (t) => {
  const folder = makeFolder(t)
  writeFileSync(join(folder, 'file'), '')
  await t.rejects(startEmbedded(join(folder, 'file')), {
    message: /^The data folder .*file is not a folder: /,
  })
  await t.rejects(startEmbedded(join(folder, 'file/below')), {
    message: /^The data folder .*below is not a folder: /,
  })
  for (const code of ['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EPERM']) {
    const cause = Object.assign(new Error(code), { code })
    t.match(explainFileError(cause, '/d'), { message: /^The data folder \/d [^\n]*: [^\n]*\.$/, cause }, code)
  }
  const other = new Error('another one')
  t.equal(explainFileError(other, '/d'), other)
  mkdirSync(join(folder, 'taken/x'), { recursive: true })
  t.throws(() => writeSecretFile(join(folder, 'taken'), 'secret'), { code: /EISDIR|ENOTEMPTY|EEXIST/ })
  t.throws(() => statSync(join(folder, 'taken.unfinished')), { code: 'ENOENT' })
})

t.test('explains that the embedded database is not installed, or what else is wrong', async (t) => {
  t.match(explainMissingPackage(Object.assign(new Error('x'), { code: 'ERR_MODULE_NOT_FOUND' })), {
    message: /^DATABASE_URL must be set, [^\n]*\.$/,
  })
  await t.rejects(withEmbeddedDatabase({ DATA_DIR: '/dev/null/data' }), { message: /is not a folder/ })
})
