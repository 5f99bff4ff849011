import { median, type Rounds } from './load.ts'

// Horizontal bars with an axis, readable on a light and a dark page.

const LABELS = 230
const WIDTH = 340
const ROW = 26
const TOP = 40

/** Draws the median of each series as a bar, and its least and greatest value as a line. */
export function drawChart(title: string, unit: string, rounds: Rounds): string {
  const bars = Object.entries(rounds)
  const step = stepOf(Math.max(...bars.flatMap(([, values]) => values)))
  const ticks = Math.ceil(Math.max(...bars.flatMap(([, values]) => values)) / step)
  const x = (value: number) => (LABELS + 10 + (value / (step * ticks)) * WIDTH).toFixed(1)
  const bottom = TOP + bars.length * ROW
  const grid = Array.from({ length: ticks + 1 }, (_, n) => {
    const at = x(n * step)
    return `<path class="grid" d="M${at} ${TOP - 6}V${bottom}"/><text class="tick" x="${at}" y="${bottom + 16}" text-anchor="middle">${tell(n * step)}</text>`
  })
  const rows = bars.map(([label, values], index) => {
    const y = TOP + index * ROW
    const [least, middle, most] = [Math.min(...values), median(values), Math.max(...values)]
    return `<text x="${LABELS}" y="${y + 13}" text-anchor="end">${label}</text>
<rect x="${x(0)}" y="${y}" width="${(Number(x(middle)) - Number(x(0))).toFixed(1)}" height="18" rx="2"/>
<path class="range" d="M${x(least)} ${y + 9}H${x(most)}"/>
<text x="${Number(x(most)) + 8}" y="${y + 13}">${tell(middle)}</text>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 680 ${bottom + 44}" role="img" aria-label="${title}, ${unit}">
<style>text{font:13px sans-serif;fill:#24292f}.tick{font-size:11px}rect{fill:#3f72af}.grid{stroke:#8b949e;stroke-opacity:.4}.range{stroke:#24292f;stroke-width:1.5}@media(prefers-color-scheme:dark){text{fill:#e6edf3}rect{fill:#4a86d8}.range{stroke:#e6edf3}}</style>
<text x="${LABELS + 10}" y="20" style="font-weight:bold">${title}</text>
${grid.join('\n')}
${rows.join('\n')}
<text class="tick" x="${LABELS + 10 + WIDTH / 2}" y="${bottom + 34}" text-anchor="middle">${unit}</text>
</svg>
`
}

/** The distance of about four ticks: 1, 2 or 5 times a power of ten. */
function stepOf(most: number): number {
  const power = 10 ** Math.floor(Math.log10(most / 4))
  return power * ([1, 2, 5].find((factor) => (factor * power * 10) / 2 >= most) ?? 5)
}

const tell = (value: number) => {
  if (value === 0 || value >= 100) return value.toLocaleString('en', { maximumFractionDigits: 0 })
  return value.toLocaleString('en', { maximumSignificantDigits: 3 })
}
