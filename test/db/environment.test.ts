import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { back, explainMissingPackage } from '../../src/backing.ts'
import { loadEnvironment } from '../../src/environment.ts'
import { start, stop } from '../support/service-process.ts'

/** What libpq (PostgreSQL manual, 32.15), postgres.js, pg and dbmate read. */
const foreign = `PGHOST PGSSLNEGOTIATION PGHOSTADDR PGPORT PGDATABASE PGUSER PGUSERNAME PGPASSWORD PGPASSFILE
  PGREQUIREAUTH PGCHANNELBINDING PGSERVICE PGSERVICEFILE PGOPTIONS PGAPPNAME PGSSLMODE PGREQUIRESSL PGSSLCOMPRESSION
  PGSSLCERT PGSSLKEY PGSSLCERTMODE PGSSLROOTCERT PGSSLCRL PGSSLCRLDIR PGSSLSNI PGREQUIREPEER
  PGSSLMINPROTOCOLVERSION PGSSLMAXPROTOCOLVERSION PGGSSENCMODE PGKRBSRVNAME PGGSSLIB PGGSSDELEGATION
  PGCONNECT_TIMEOUT PGCLIENTENCODING PGTARGETSESSIONATTRS PGLOADBALANCEHOSTS PGMINPROTOCOLVERSION
  PGMAXPROTOCOLVERSION PGDATESTYLE PGTZ PGGEQO PGSYSCONFDIR PGLOCALEDIR PGDATA PGMAX PGIDLE_TIMEOUT PGMAX_LIFETIME
  PGMAX_PIPELINE PGBACKOFF PGKEEP_ALIVE PGPREPARE PGDEBUG PGFETCH_TYPES PGPUBLICATIONS PG_COLOR PG_GRANDPARENT_PID
  DBMATE_MIGRATIONS_DIR DBMATE_MIGRATIONS_TABLE DBMATE_SCHEMA_FILE DBMATE_NO_DUMP_SCHEMA DBMATE_STRICT DBMATE_WAIT
  DBMATE_WAIT_TIMEOUT DBMATE_DRIVER`.split(/\s+/)
const nonsense = Object.fromEntries(foreign.map((name) => [name, 'nonsense']))

t.test('starts, migrates and audits whatever other programs are told in the environment', async (t) => {
  const { server, ended, ready, cwd, said } = start(t, {
    ...nonsense,
    TZ: 'Nowhere/Land',
    LC_ALL: 'xx_XX.none',
  })
  t.equal((await fetch(`${await ready()}/ready`)).status, 200, said.err)
  const env = { ...process.env, ...nonsense, DATA_DIR: join(cwd, '.data') }
  const check = async (command: string) => {
    const { stdout } = await promisify(execFile)(process.execPath, ['src/run.mjs', command], { env })
    t.match(
      stdout,
      { migrate: /^$/, status: 'Pending: 0', audit: 'No findings', diagram: 'erDiagram' }[command],
      command,
    )
  }
  await Promise.all(['migrate', 'status', 'audit', 'diagram'].map(check))
  t.equal(await stop(server, ended, 'SIGTERM'), 0)
})

t.test('reads .env as editors write it', async (t) => {
  const own = { ...process.env }
  t.teardown(() => Object.assign(process.env, own))
  const file = join(t.testdir({ env: '' }), 'env')
  const { writeFileSync } = await import('node:fs')
  const cases: Record<string, string> = {
    plain: 'TEST_A=one\nTEST_B=two words\n',
    'a byte order mark': '\uFEFFTEST_A=one\nTEST_B=two words',
    CRLF: 'TEST_A=one\r\nTEST_B=two words\r\n',
    CR: 'TEST_A=one\rTEST_B=two words\r',
    export: 'export TEST_A=one\n\texport  TEST_B="two words"\n',
    quotes: `TEST_A="one"\nTEST_B='two words'\n`,
    'quotes and CRLF': `TEST_A="one"\r\nTEST_B='two words'\r\n`,
    comments: '# TEST_A=no\nTEST_A=one # yes\n  # don\'t\nTEST_B="two words" # and\n',
    spaces: '  TEST_A = one  \n\tTEST_B\t=\ttwo words\t\n\n',
  }
  for (const [name, text] of Object.entries(cases)) {
    for (const variable of ['TEST_A', 'TEST_B']) delete process.env[variable]
    writeFileSync(file, text)
    loadEnvironment([file])
    t.same([process.env.TEST_A, process.env.TEST_B], ['one', 'two words'], name)
  }
  writeFileSync(file, 'TEST_A=other\nTEST_C=three\nPGHOST=nowhere\n')
  loadEnvironment([file, join(file, 'nothing')])
  t.match(process.env, { TEST_A: 'one', TEST_C: 'three', PGHOST: undefined }, 'what is set comes first')
  for (const encoded of [
    Buffer.from('\uFEFFTEST_A=secret', 'utf16le'),
    Buffer.from('TEST_A=secret', 'utf16le').swap16(),
  ]) {
    writeFileSync(file, encoded)
    t.throws(() => loadEnvironment([file]), {
      message: `The file ${file} is not UTF-8 text, but probably UTF-16: save it as UTF-8.`,
    })
  }
  t.throws(() => loadEnvironment([t.testdirName]), { message: /^The file \S+ cannot be read \(EISDIR\): / })
})

t.test('says that the embedded database is not installed, and otherwise what is wrong', async (t) => {
  t.match(explainMissingPackage(Object.assign(new Error('x'), { code: 'ERR_MODULE_NOT_FOUND' })), {
    message: /^DATABASE_URL must be set, [^\n]*\.$/,
  })
  await t.rejects(back({ DATA_DIR: '/dev/null/data' }), { message: /is not a folder/ })
})
