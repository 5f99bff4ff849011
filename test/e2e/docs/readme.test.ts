import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { resolveBinary } from 'dbmate'
import postgres from 'postgres'
import t from 'tap'
import { drawTables } from '../../../db/diagram.ts'
import { type Target, tellTargets } from '../../bench/report.ts'
import { createApp, setUp } from '../../support/app.ts'
import { cloneDatabase } from '../../support/clone-database.ts'
import { needs } from '../../support/external-programs.ts'
import { readBlocks } from '../../support/markdown.ts'

// What README.md and the pages in docs show is so: commands are run, and figures, scripts, variables and links looked
// up.

const readme = readFileSync('README.md', 'utf8')
const operations = readFileSync('docs/operations.md', 'utf8')
const blocks = readBlocks('README.md')
const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }
const documents = ['.', '.github', 'db', 'docs'].flatMap((folder) =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name)),
)

/** The members of an answer and of what is in them: ids and times differ each time. */
const shapeOf = (value: unknown): unknown =>
  value !== null && typeof value === 'object'
    ? Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, shapeOf(inner)]))
    : typeof value

t.test('the requests are answered as shown', needs('curl', 'bash'), async (t) => {
  const { app } = await setUp(t)
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  let script = 'set -euo pipefail\n'
  const shown: unknown[] = []
  for (const [index, { language, text }] of blocks.entries()) {
    if (language !== 'sh' || !text.includes('curl')) continue
    script += `${text.replaceAll('localhost:8000', address.replace('http://', ''))}\necho\n`
    const next = blocks[index + 1]
    shown.push(next?.language === 'json' && !next.text.includes('"code"') ? JSON.parse(next.text) : undefined)
  }
  const { stdout } = await promisify(execFile)('bash', ['-c', script])
  const answers = stdout.trim().split('\n')
  t.equal(answers.length, shown.length)
  for (const [index, answer] of answers.entries()) {
    const given = JSON.parse(answer)
    t.notOk('code' in given, answer)
    if (shown[index]) t.same(shapeOf(given), shapeOf(shown[index]), answer)
  }
  const [problem] = blocks.filter(({ text }) => text.includes('"code":"not_found"'))
  const headers = { authorization: `Bearer ${JSON.parse(answers.at(-1) as string).token}` }
  const absent = await app.inject({ url: JSON.parse(`${problem?.text}`).instance, headers })
  t.same(shapeOf(absent.json()), shapeOf(JSON.parse(`${problem?.text}`)))
})

t.test('the roles and the database of your own PostgreSQL serve the API', async (t) => {
  const { admin, adminUrl, url } = await cloneDatabase(t)
  const [{ name } = {}] = await admin<
    { name: string }[]
  >`select 'own_' || substr(current_database(), 6) as name`
  // Beside those of the test server, which are the cluster's.
  const own = (text: string) =>
    text
      .replaceAll('todo_owner', `${name}_owner`)
      .replaceAll('todo_login', `${name}_login`)
      .replaceAll('database todo', `database ${name}`)
      .replaceAll("'…'", "'for-tests-only'")
  const [server, inside] = readBlocks('docs/operations.md').filter(({ language }) => language === 'sql')
  const run = async (sql: postgres.Sql, text = '') => {
    for (const statement of own(text).split(';\n').filter(Boolean)) await sql.unsafe(statement)
  }
  await run(admin, server?.text)
  const created = postgres(Object.assign(new URL(adminUrl), { pathname: `/${name}` }).href, { max: 1 })
  await run(created, inside?.text)
  await created.end()
  // Another than the first may come to roles that are there already only when it is let in.
  await admin.unsafe(`grant todo_api, todo_auth to ${name}_owner with admin option`)
  t.teardown(async () => {
    await admin.unsafe(`drop database ${name} with (force)`)
    await admin.unsafe(`drop role ${name}_owner, ${name}_login`)
  })
  const as = (role: string) =>
    Object.assign(new URL(url), {
      username: `${name}_${role}`,
      password: 'for-tests-only',
      pathname: `/${name}`,
      search: '?sslmode=disable',
    }).href
  await promisify(execFile)(resolveBinary(), ['--no-dump-schema', 'migrate'], {
    env: { ...process.env, DATABASE_URL: as('owner') },
  })
  const [grant] = /grant todo_api to todo_login/.exec(operations) ?? []
  await admin.unsafe(own(`${grant}`))
  const app = await createApp(t, { url: as('login') })
  t.equal((await app.inject('/ready')).statusCode, 200)
  await app.close()
})

t.test('the schema is drawn from the database', async (t) => {
  const { url } = await cloneDatabase(t)
  const sql = postgres(url, { max: 1 })
  t.teardown(() => sql.end())
  const [drawn] = readBlocks('db/migrations/README.md').filter(({ text }) => text.startsWith('erDiagram'))
  t.equal(drawn?.text, await drawTables(sql), 'npm run db:diagram db/migrations/README.md')
})

t.test('the figures are those of docs/bench.json', async (t) => {
  const { machine, date, targets } = JSON.parse(readFileSync('docs/bench.json', 'utf8')) as {
    machine: string
    date: string
    targets: Target[]
  }
  t.ok(targets.length >= 10, `${targets.length} targets`)
  const page = readFileSync('docs/performance.md', 'utf8')
  t.ok(page.includes(`<!-- bench -->\n${tellTargets(machine, date, targets)}<!-- /bench -->`))
})

t.test('every script is named, and every script that is named exists', async (t) => {
  const named = documents.flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(/(?:`|&& |^)npm (?:run )?([a-z][a-z\d:]+)/gm)].map(
      ([, name = '']) => name,
    ),
  )
  for (const name of named) t.ok(name in scripts || ['ci', 'run', 'package', 'prune'].includes(name), name)
  const table = readme.slice(readme.indexOf('## Scripts'), readme.indexOf('## How this compares'))
  for (const name of Object.keys(scripts).filter((name) => !name.startsWith('pre')))
    t.ok(table.includes(`\`${name}\``), name)
})

t.test('every variable is named, and has the default that it has', async (t) => {
  const variables = readFileSync('.env.example', 'utf8').matchAll(/^#([A-Z_]+)=(.*)$/gm)
  for (const [, name = '', value = ''] of variables) {
    const rows = operations.split('\n').filter((row) => row.startsWith('|') && row.includes(`\`${name}\``))
    t.ok(rows.length > 0, name)
    if (/^(\d+|true|false|info)$/.test(value))
      t.ok(
        rows.some((row) => row.includes(value)),
        `${name}=${value}`,
      )
  }
})

t.test('every link leads somewhere', async (t) => {
  const toAnchor = (title: string) =>
    title
      .toLowerCase()
      .replaceAll(/[^\w -]/g, '')
      .replaceAll(' ', '-')
  for (const file of documents) {
    const text = readFileSync(file, 'utf8').replaceAll(/^```.*?^```$/gms, '')
    for (const [, link = ''] of text.matchAll(/(?:\]\(|src=")([^)"\s]+)[)"]/g)) {
      if (/^https?:/.test(link)) continue
      const [path = '', anchor] = link.split('#')
      const target = path ? join(dirname(file), path) : file
      t.ok(existsSync(target), `${file}: ${link}`)
      if (!anchor) continue
      const titles = [...readFileSync(target, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
        toAnchor(title),
      )
      t.ok(titles.includes(anchor), `${file}: ${link}`)
    }
  }
})
