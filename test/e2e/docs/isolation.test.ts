import postgres from 'postgres'
import t from 'tap'
import { cloneDatabase } from '../../support/clone-database.ts'
import { readBlocks } from '../../support/markdown.ts'

// The statements with which the README invites its readers to break the isolation.

t.test('none of the statements of README.md returns a row', async (t) => {
  const { admin, url } = await cloneDatabase(t)
  const user = '01a20986-2898-7299-9c1d-1c51cff2f991'
  await admin`insert into users (id, email, email_folded) values (${user}, 'ada@example.com', 'ada@example.com')`
  await admin`insert into todos (user_id, id, title) values (${user}, gen_random_uuid(), 'hers')`
  const [block] = readBlocks('README.md').filter(({ language }) => language === 'sql')
  const statements = block?.text.match(/[^;]+;/g) ?? []
  t.ok(statements.length > 5)
  t.ok(block?.text.includes(user))
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  t.teardown(() => sql.end())
  const outcomes: string[] = []
  for (const statement of statements)
    outcomes.push(
      await sql.unsafe(statement).then(
        ({ length }) => `${length} rows`,
        ({ code }) => code,
      ),
    )
  t.same(outcomes, ['0 rows', '0 rows', '0 rows', '0 rows', '42501', '42501', '42501'])
  t.equal((await admin`select from todos`).length, 1, 'there is one to see')
})
