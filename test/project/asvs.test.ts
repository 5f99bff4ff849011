import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

// docs/asvs.md: that every requirement is in it, and that the files and tests that it names exist.

const read = (file: string) => readFileSync(file, 'utf8')

/** The level of every requirement. */
const levels = new Map<string, string>(
  [...read('test/project/asvs-levels.txt').matchAll(/^(\d+\.\d+) (\d+)$/gm)].flatMap(([, section, digits]) =>
    [...`${digits}`].map((level, index) => [`${section}.${index + 1}`, level] as const),
  ),
)
const [table = '', notApplicable = ''] = read('docs/asvs.md').split('## Not applicable')
const rows = table
  .split('\n')
  .filter((line) => /^\| \d/.test(line))
  .map((line) => {
    const [id = '', level, , status = '', code = '', tests = ''] = line.slice(2, -2).split(' | ')
    return { id, level, status, code: unquote(code), tests: tests.trim() }
  })
const excluded = [...notApplicable.matchAll(/^\| ([\d., ]+) \|/gm)].flatMap(([, ids]) => `${ids}`.split(', '))
/** The requirement itself, or those of a section or chapter. */
const expand = (id: string) =>
  [...levels.keys()].filter((known) => known === id || known.startsWith(`${id}.`))

function unquote(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, text]) => `${text}`)
}

/** The titles of a test file. What a title computes is written as an ellipsis. */
function readTitles(file: string): string[] {
  const calls = read(file).matchAll(/\bt\.test\(\s*(['"`])((?:\\.|(?!\1).)*)\1/g)
  return [...calls].map(([, , title]) =>
    `${title}`.replaceAll(/\$\{[^}]*\}/g, '…').replaceAll(/\\(.)/g, '$1'),
  )
}
const titles = new Map(
  readdirSync('test', { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => [file.replaceAll('\\', '/').replace('.test.ts', ''), readTitles(join('test', file))]),
)

t.test('has each requirement of levels 1 and 2 once, and each with its level', async (t) => {
  t.equal(levels.size, 345)
  t.ok(rows.length > 150)
  for (const { id, level } of rows) t.equal(level, levels.get(id), id)
  for (const id of excluded) t.ok(expand(id).length > 0, id)
  const listed = [...rows.map(({ id }) => id), ...excluded.flatMap(expand)]
  t.same(
    listed.filter((id, index) => listed.indexOf(id) !== index),
    [],
    'none twice',
  )
  const wanted = [...levels].filter(([, level]) => level !== '3').map(([id]) => id)
  t.same(
    wanted.filter((id) => !listed.includes(id)),
    [],
    'none missing',
  )
})

t.test('gives each a status, and says what is missing or to do', async (t) => {
  for (const { id, level, status } of rows) {
    t.match(status, /^(met(: .+)?|met by deployment: .+|not met: .+)$/, id)
    if (level === '3') t.notMatch(status, /^not/, id)
  }
  for (const status of ['met', 'met by deployment', 'not met'])
    for (const [index, level] of ['1', '2', '3'].entries()) {
      const ours = rows.filter((row) => row.level === level && row.status.split(': ')[0] === status)
      const counted = table.split('\n').find((line) => line.startsWith(`| ${status} | `))
      const shown = counted?.split(' | ')[index + 1]?.replace(' |', '')
      t.equal(shown === '–' ? 0 : Number(shown), ours.length, `${status}, level ${level}`)
    }
})

t.test('names files that exist', async (t) => {
  for (const { id, code } of rows) {
    t.ok(code.length > 0, id)
    for (const file of code) t.ok(existsSync(file), `${id}: ${file}`)
  }
})

t.test('names tests that exist, and one wherever code holds what is met', async (t) => {
  for (const { id, status, code, tests } of rows) {
    for (const test of tests.split(/; (?=`)/).filter(Boolean)) {
      const [, file = '', title = ''] = /^`([^`]+)`: (.+)$/.exec(test) ?? []
      t.ok(titles.get(file)?.includes(title), `${id}: ${test}`)
    }
    const isCode = code.some((file) => /^(src|db)\//.test(file))
    if (isCode && /^met(:|$)/.test(status)) t.not(tests, '', id)
  }
})
