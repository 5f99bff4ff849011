import { readFileSync } from 'node:fs'
import { buildApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'
import { testing } from '../support/app.ts'
import { makeClone, type TestDatabase } from '../support/clone-database.ts'
import { startServer } from '../support/start-postgres.ts'
import { tryAttacks } from './attacks/attacks.ts'
import { ids, insertRows } from './fixture.ts'
import { isolationChecks, openWorld } from './http.ts'
import { listMutants, type Mutant } from './mutants.ts'
import { tryRights } from './rights.ts'
import { type Cell, grantEverything, tryFunctions, tryTable } from './table.ts'

// Weakens the migrated database one step at a time, and asks of each mutant whether the tests notice: those of
// the rights, the functions and the policy table, and those of isolation over HTTP. Exit code 1 when one lives,
// or when the README tells another number.

const firstFailure = async (cells: AsyncGenerator<Cell>): Promise<string | undefined> => {
  for await (const { name, expected, actual } of cells)
    if (actual !== expected) return `${name}: ${actual} instead of ${expected}`
  return undefined
}

async function tryHttp({ url }: TestDatabase): Promise<string | undefined> {
  const app = await buildApp(loadConfig({ ...testing, DATABASE_URL: url }))
  try {
    for (const [name, check] of Object.entries(isolationChecks))
      try {
        await check(await openWorld(app))
      } catch {
        return name
      }
    return undefined
  } finally {
    await app.close()
  }
}

interface Verdict {
  inSql: string | undefined
  overHttp: string | undefined
}

/** What the tests say of a clone with the mutant in it; nothing when they do not notice. */
async function judge({ apply, undo, table = '' }: Mutant, template: string): Promise<Verdict> {
  const clone = await makeClone(template)
  try {
    await clone.admin.unsafe(apply)
    const inSql =
      (await firstFailure(tryRights(clone))) ??
      (await firstFailure(tryFunctions(clone))) ??
      (await firstFailure(tryTable(clone, 'granted', table))) ??
      (await firstFailure(tryAttacks(clone, 'refused')))
    const overHttp = await tryHttp(clone)
    if (inSql) return { inSql, overHttp }
    // What the requests left behind goes, for the table counts the rows of its own users.
    await clone.admin`delete from users where id not in (${ids.ada}, ${ids.bob}, ${ids.eve})`
    await grantEverything(clone)
    return { inSql: await firstFailure(tryTable(clone, 'alone', table)), overHttp }
  } finally {
    if (undo) await clone.admin.unsafe(undo)
    await clone.drop()
  }
}

function report({ name }: Mutant, { inSql, overHttp }: Verdict): void {
  console.log(`${inSql || overHttp ? 'killed  ' : 'SURVIVED'}  ${name}`)
  if (inSql) console.log(`          ${inSql}`)
  if (overHttp) console.log(`          over HTTP: ${overHttp}`)
}

async function main(): Promise<boolean> {
  const original = await makeClone()
  await insertRows(original.admin)
  const nameOf = (url: string) => new URL(url).username
  const mutants = await listMutants(original.admin, nameOf(original.ownerUrl), nameOf(original.url))
  await original.admin.end()
  const { inSql, overHttp } = await judge({ name: '', apply: 'select' }, original.name)
  if (inSql || overHttp) throw new Error(`The tests fail without a mutant: ${inSql ?? overHttp}`)

  const verdicts: Verdict[] = []
  const judgeAll = async (list: Mutant[]) => {
    for (let mutant = list.shift(); mutant; mutant = list.shift()) {
      const verdict = await judge(mutant, original.name)
      verdicts.push(verdict)
      report(mutant, verdict)
    }
  }
  const local = mutants.filter(({ undo }) => !undo)
  await Promise.all([judgeAll(local), judgeAll(local)])
  // These touch the whole server: one at a time.
  await judgeAll(mutants.filter(({ undo }) => undo))
  await original.drop()

  const killed = verdicts.filter(({ inSql, overHttp }) => inSql ?? overHttp).length
  const result = `${killed} of ${mutants.length} killed`
  console.log(`\n${result}; ${verdicts.filter(({ overHttp }) => overHttp).length} of them over HTTP too.`)
  const told = readFileSync('README.md', 'utf8').includes(result)
  if (!told) console.log('The README tells another number.')
  return told && killed === mutants.length
}

const { env, stop } = await startServer()
try {
  Object.assign(process.env, env)
  process.exitCode = (await main()) ? 0 : 1
} finally {
  await stop()
}
