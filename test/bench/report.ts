import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { median, type Rounds } from './load.ts'

// What was measured, for people and for programs: lines, docs/bench.json, charts, and a part of docs/performance.md.

const root = new URL('../../', import.meta.url)
const machine = `${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GB, Node ${process.version}, the embedded PostgreSQL 18`

export interface Target {
  target: string
  reached: boolean
  figures: string
}
const targets: Target[] = []
const measured: Record<string, Rounds> = {}
const charts: Record<string, { title: string; svg: string }> = {}

export const progress = (text: string) => process.stderr.write(`… ${text}\n`)
export function judge(target: string, reached: boolean, figures: string): void {
  targets.push({ target, reached, figures })
}
/** Keeps figures, and draws their medians as bars. */
export function chart(name: string, title: string, rounds: Rounds): void {
  measured[name] = rounds
  const bars = Object.entries(rounds).map(([label, values]) => ({ label, value: median(values) }))
  const most = Math.max(...bars.map(({ value }) => value))
  const rows = bars.map(({ label, value }, index) => {
    const y = 44 + index * 26
    const shown = value >= 100 ? value.toFixed(0) : value.toFixed(2)
    return `<text x="230" y="${y + 13}" text-anchor="end">${label}</text>
<rect x="240" y="${y}" width="${((value / most) * 340).toFixed(1)}" height="18" rx="2"/>
<text x="${(248 + (value / most) * 340).toFixed(1)}" y="${y + 13}">${shown}</text>`
  })
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 660 ${52 + bars.length * 26}" role="img" aria-label="${title}">
<style>text{font:13px sans-serif;fill:#24292f}rect{fill:#3f72af}@media(prefers-color-scheme:dark){text{fill:#e6edf3}rect{fill:#6ea8fe}}</style>
<text x="230" y="22" style="font-weight:bold">${title}</text>
${rows.join('\n')}
</svg>
`
  charts[name] = { title, svg }
}

/** Keeps a whole run in docs/bench.json, and shows it in docs/performance.md. */
export function publish(): void {
  const date = new Date().toISOString().slice(0, 10)
  const write = (path: string, text: string) => writeFileSync(new URL(path, root), text)
  write('docs/bench.json', `${JSON.stringify({ machine, date, targets, measured }, null, 2)}\n`)
  for (const [name, { svg }] of Object.entries(charts)) write(`docs/bench-${name}.svg`, svg)
  const page = readFileSync(new URL('docs/performance.md', root), 'utf8')
  const [before, , after] = page.split(/(?<=<!-- bench -->\n)|(?=<!-- \/bench -->)/)
  write('docs/performance.md', `${before}${tellTargets(machine, date, targets)}${after}`)
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
