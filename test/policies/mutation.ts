import { randomInt } from 'node:crypto'
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

// Weakens the migrated database one step at a time, and runs the tests of the rights, the functions, the policy table
// and the attacks on each mutant, and if none of these fails, those of isolation over HTTP. Exit code 1 when all pass on
// a mutant, or when the README has another number. With MUTATION_SHARE=3 it tries every third mutant, from a random one on.

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

/** The first test that fails on a clone with the mutant in it; undefined when none does. */
async function findFailure(
  { apply, undo, table = '' }: Mutant,
  template: string,
): Promise<string | undefined> {
  const clone = await makeClone(template)
  try {
    await clone.admin.unsafe(apply)
    const failure =
      (await firstFailure(tryRights(clone))) ??
      (await firstFailure(tryFunctions(clone))) ??
      (await firstFailure(tryTable(clone, 'granted', table))) ??
      (await firstFailure(tryAttacks(clone, 'refused'))) ??
      (await tryHttp(clone))
    if (failure) return failure
    // The requests leave rows behind, and the table counts the rows of its own users.
    await clone.admin`delete from users where id not in (${ids.ada}, ${ids.bob}, ${ids.eve})`
    await grantEverything(clone)
    return await firstFailure(tryTable(clone, 'alone', table))
  } finally {
    if (undo) await clone.admin.unsafe(undo)
    await clone.drop()
  }
}

async function main(): Promise<boolean> {
  const original = await makeClone()
  await insertRows(original.admin)
  const nameOf = (url: string) => new URL(url).username
  const share = Number(process.env.MUTATION_SHARE || 1)
  const first = randomInt(share)
  const all = await listMutants(original.admin, nameOf(original.ownerUrl), nameOf(original.url))
  const mutants = all.filter((_, index) => index % share === first)
  await original.admin.end()
  const failure = await findFailure({ name: '', apply: 'select' }, original.name)
  if (failure) throw new Error(`The tests fail without a mutant: ${failure}`)

  let killed = 0
  const judgeAll = async (list: Mutant[]) => {
    for (let mutant = list.shift(); mutant; mutant = list.shift()) {
      const failure = await findFailure(mutant, original.name)
      if (failure) killed++
      console.log(failure ? `killed    ${mutant.name}\n          ${failure}` : `SURVIVED  ${mutant.name}`)
    }
  }
  const local = mutants.filter(({ undo }) => !undo)
  await Promise.all([judgeAll(local), judgeAll(local)])
  // These touch the whole server: one at a time.
  await judgeAll(mutants.filter(({ undo }) => undo))
  await original.drop()

  const result = `${killed} of ${mutants.length} killed`
  console.log(`\n${result}.`)
  const isInReadme = share > 1 || readFileSync('README.md', 'utf8').includes(result)
  if (!isInReadme) console.log('The README has another number.')
  return isInReadme && killed === mutants.length
}

const { env, stop } = await startServer()
try {
  Object.assign(process.env, env)
  process.exitCode = (await main()) ? 0 : 1
} finally {
  await stop()
}
