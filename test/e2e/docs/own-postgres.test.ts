import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import postgres from 'postgres'
import t, { type Test } from 'tap'
import { needs } from '../../support/external-programs.ts'
import { readBlocks } from '../../support/markdown.ts'
import { rolePassword, startOwnServer } from '../../support/own-server.ts'
import { JWT_SECRET, quiet, start } from '../../support/service-process.ts'
import { until } from '../../support/until.ts'

// Walks through "Your own PostgreSQL" of docs/operations.md, on a server that requires TLS.

const blocks = readBlocks('docs/operations.md')
const [server = '', inside = ''] = blocks.filter(({ language }) => language === 'sql').map(({ text }) => text)
const [variables = ''] = blocks.filter(({ text }) => /^DATABASE_URL=/m.test(text)).map(({ text }) => text)
const run = promisify(execFile)

/** What the log of a service says above the level of information, once it serves. */
async function warnings(t: Test, DATABASE_URL: string): Promise<string[]> {
  const env = { DATABASE_URL, JWT_SECRET, HOST: '127.0.0.1', LOG_LEVEL: 'info' }
  const service = start(t, { ...quiet, ...env })
  const api = await service.ready()
  await until('/ready returns 200', async () => (await fetch(`${api}/ready`)).status === 200)
  const lines = service.said.out.split('\n').filter((line) => line.startsWith('{'))
  return lines.map((line) => JSON.parse(line)).flatMap(({ level, msg }) => (level > 30 ? [msg] : []))
}

t.test(
  'a server of one’s own, with verified TLS',
  needs('initdb', 'pg_ctl', 'psql', 'openssl'),
  async (t) => {
    const own = await startOwnServer(t, { tls: true })
    const folder = t.testdir()
    const asSuperuser = (sql: string, database: string) =>
      own.shell(`psql --set ON_ERROR_STOP=1 --dbname=${database} <<'SQL'\n${sql}\nSQL`, folder)
    await asSuperuser(server.replaceAll('…', rolePassword), 'postgres')
    await asSuperuser(inside, 'todo')

    // The page's URLs, with the host and the authority of this server.
    const { host, searchParams } = new URL(own.databaseUrl)
    const filled = variables
      .replaceAll('PASSWORD', rolePassword)
      .replaceAll('db.example.com', host)
      .replaceAll('/etc/ssl/postgresql-ca.crt', `${searchParams.get('sslrootcert')}`)
    const urls = Object.fromEntries(
      [...filled.matchAll(/^(\w+)='(.*)'$/gm)].map(([, name, url]) => [name, url]),
    )
    t.match(urls, { DATABASE_URL: own.databaseUrl, MIGRATION_DATABASE_URL: own.migrationUrl })
    const command = (name: string) => run('npm', ['run', name], { env: { ...process.env, ...urls } })
    t.match((await command('db:migrate')).stdout, 'Applied')
    await asSuperuser('grant todo_api to todo_login', 'postgres')
    t.match((await command('db:audit').catch((error) => error)).stdout, /todos/)

    t.same(await warnings(t, own.databaseUrl), [], 'no warning with verified TLS')
    const encrypted = postgres(own.adminUrl.replace(/\?.*/, ''), {
      max: 1,
      ssl: { rejectUnauthorized: false },
    })
    t.teardown(() => encrypted.end())
    const plain = await encrypted`
    select from pg_stat_activity join pg_stat_ssl using (pid) where usename = 'todo_login' and not ssl`
    t.same(plain, [])

    const unverified = start(t, {
      DATABASE_URL: own.databaseUrl.replace(/&sslrootcert.*/, ''),
      JWT_SECRET,
      HOST: '127.0.0.1',
    })
    t.equal(await unverified.ended, 1)
    t.match(unverified.said.err, /^The TLS certificate of the database server localhost:\d+ is self-signed: /)
  },
)
