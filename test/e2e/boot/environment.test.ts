import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { start, stop } from '../../support/service-process.ts'

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

t.test('starts, migrates and audits with environment variables of other programs set', async (t) => {
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
