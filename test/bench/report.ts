import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { drawChart } from './chart.ts'
import type { Rounds } from './load.ts'

// What was measured, for people and for programs: lines, docs/bench.json, charts, and a part of docs/performance.md.

const root = new URL('../../', import.meta.url)
export const machine = `${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GB, Node ${process.version}, the embedded PostgreSQL 18`

export interface Target {
  target: string
  reached: boolean
  figures: string
}
const targets: Target[] = []
const measured: Record<string, Rounds> = {}
const charts: Record<string, string> = {}

export const progress = (text: string) => process.stderr.write(`… ${text}\n`)
export function judge(target: string, reached: boolean, figures: string): void {
  targets.push({ target, reached, figures })
}
/** Keeps figures, and draws them. */
export function chart(name: string, title: string, unit: string, rounds: Rounds): void {
  measured[name] = rounds
  charts[name] = drawChart(title, unit, rounds)
}

/** Keeps a whole run in docs/bench.json, and shows it in docs/performance.md. */
export function publish(): void {
  const date = new Date().toISOString().slice(0, 10)
  const write = (path: string, text: string) => writeFileSync(new URL(path, root), text)
  write('docs/bench.json', `${JSON.stringify({ machine, date, targets, measured }, null, 2)}\n`)
  for (const [name, svg] of Object.entries(charts)) write(`docs/bench-${name}.svg`, svg)
  showOnPage('bench', tellTargets(machine, date, targets))
}

/** Replaces the part of docs/performance.md between the two comments of that name. */
export function showOnPage(name: string, text: string): void {
  const url = new URL('docs/performance.md', root)
  const page = readFileSync(url, 'utf8')
  const shown = new RegExp(`(?<=<!-- ${name} -->\\n).*?(?=<!-- /${name} -->)`, 's')
  writeFileSync(
    url,
    page.replace(shown, () => text),
  )
}

/** The part of docs/performance.md that shows a run. */
export function tellTargets(machine: string, date: string, targets: readonly Target[]): string {
  const lines = targets.map(
    ({ target, reached, figures }) => `| ${target} | ${reached ? '' : '**missed** '}${figures} |`,
  )
  return `\nOn ${machine}, ${date}:\n\n| target | measured |\n|---|---|\n${lines.join('\n')}\n\n`
}

/** Says what was reached, and sets the exit code. */
export function conclude(): void {
  process.stdout.write(`${machine}\n\n`)
  for (const { target, reached, figures } of targets)
    process.stdout.write(`${reached ? 'reached' : 'MISSED '}  ${target}: ${figures}\n`)
  process.exitCode = targets.every(({ reached }) => reached) ? 0 : 1
}
