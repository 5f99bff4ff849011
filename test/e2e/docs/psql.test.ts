import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import t from 'tap'
import { parseToken, sha256 } from '../../../src/credentials/opaque-tokens.ts'
import { cloneDatabase } from '../../support/clone-database.ts'
import { findProgram, needs } from '../../support/external-programs.ts'
import { isShownAs, readBlocks } from '../../support/markdown.ts'

// Runs every command of db/migrations/README.md at psql, and holds what it answers against what is written there. How to
// get there is run by test/e2e/db/embedded.test.ts.

/** A new command; or with `-` or `(` its next line. */
const PROMPT = /^todo([=(-])[*!]?> /
interface Step {
  command: string
  shown: string
}
/** A session at psql: commands after a prompt, each with its answer. */
function readSession(text: string): Step[] {
  const steps: Step[] = []
  for (const line of text.trimEnd().split('\n')) {
    const [prompt, kind] = PROMPT.exec(line) ?? []
    const typed = line.slice(prompt?.length)
    const last = steps.at(-1)
    if (kind === '=') steps.push({ command: typed, shown: '' })
    else if (last && kind) last.command += `\n${typed}`
    else if (last) last.shown += `${line}\n`
  }
  return steps
}

const page = readFileSync('db/migrations/README.md', 'utf8')
const sessions = readBlocks('db/migrations/README.md').filter(({ text }) => PROMPT.test(text))
t.ok(sessions.length > 5)

t.test('psql answers what db/migrations/README.md says', needs('psql'), async (t) => {
  const { admin, url } = await cloneDatabase(t)
  const ada = '01a20986-2898-7299-9c1d-1c51cff2f991'
  const bob = '01a20986-3b41-7c02-8d4f-6f0a9b1f2c37'
  await admin`insert into users (id, email, email_folded)
    values (${ada}, 'ada@example.com', 'ada@example.com'), (${bob}, 'bob@example.com', 'bob@example.com')`
  await admin`
    insert into todos (user_id, id, title, folded_title) values
      (${ada}, '01a20986-6f0e-73f5-a3ae-22a9c8f15d26', 'Water the plants', 'water the plants'),
      (${ada}, '01a20987-0b52-7f3c-9a55-4f1f6d0c8e11', 'Feed the cat', 'feed the cat'),
      (${bob}, '01a20987-51c0-7d6e-b6a2-90e3a5c7f804', 'Buy a present for Ada', 'buy a present for ada')`
  // The token of the page.
  const { secret = Buffer.alloc(0) } = parseToken('access', `${/todo_pat_[\w-]+/.exec(page)}`) ?? {}
  await admin`
    insert into identity.access_tokens (user_id, id, name, hash, scopes)
    values (${ada}, gen_random_uuid(), 'psql', ${sha256(secret)}, '{todos:read}')`
  const mark = '------ next ------'
  const steps = sessions.flatMap(({ text }) => readSession(text))
  const script = steps.map(({ command }) => `${command}\n\\echo '${mark}'\n\\warn '${mark}'\n`).join('')
  const run = promisify(execFile)(`${findProgram('psql')}`, ['--no-psqlrc', url], {
    env: { ...process.env, PAGER: 'cat', PGCLIENTENCODING: 'UTF8' },
  })
  run.child.stdin?.end(script)
  const { stdout, stderr } = await run
  const [answers, errors] = [stdout, stderr].map((said) => said.split(`${mark}\n`))
  for (const [index, { command, shown }] of steps.entries()) {
    const said = `${answers?.[index]}${errors?.[index]}`
      .replaceAll(/^psql:.*?: /gm, '')
      .replaceAll(/ +$/gm, '')
    t.ok(isShownAs(said.trim(), shown.trim()), command, { said, shown })
  }
})

t.test('the SQL of db/migrations/README.md is accepted', async (t) => {
  const { admin, url } = await cloneDatabase(t)
  const blocks = readBlocks('db/migrations/README.md').filter(({ language }) => language === 'sql')
  t.ok(blocks.length > 0)
  for (const { text } of blocks)
    await t.rejects(
      admin.begin(async (transaction) => {
        // A test may log in as another role than the embedded database's.
        await transaction.unsafe(text.replaceAll('todo_login', new URL(url).username))
        throw new Error('accepted')
      }),
      { message: 'accepted' },
    )
})
