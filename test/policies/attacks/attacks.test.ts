import { readFileSync } from 'node:fs'
import t from 'tap'
import { cloneDatabase } from '../../support/clone-database.ts'
import { insertRows } from '../fixture.ts'
import { attacks, tryAttacks } from './attacks.ts'

const database = await cloneDatabase(t)
await insertRows(database.admin)
await database.admin`analyze`

t.test('gives an attacker with the SQL of the API nothing of another user', async (t) => {
  for await (const { name, expected, actual } of tryAttacks(database)) t.equal(actual, expected, name)
})

t.test('says in docs/security.md what remains, and what an operator can do', async (t) => {
  const text = readFileSync('docs/security.md', 'utf8')
  const remaining = attacks.flatMap(({ remains }) => remains ?? [])
  t.ok(remaining.length > 5)
  for (const line of remaining) t.ok(text.includes(`| ${line}`), line)
})
