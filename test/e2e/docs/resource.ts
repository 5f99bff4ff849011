import { execFileSync, spawnSync } from 'node:child_process'
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type Block, readBlocks } from '../../support/markdown.ts'

// Follows docs/adding-a-resource.md in a copy of the tree: with everything on the page the tests of
// the database, the document and the structure must pass, and they must fail when the isolation of the table is broken.

const blocks = readBlocks('docs/adding-a-resource.md')
const tests = [
  'openapi/document',
  'policies/audit',
  'policies/citus',
  'policies/citus-nodes',
  'policies/policies',
  'policies/proof',
  'project/structure',
  'projects/projects',
]
const copy = mkdtempSync(join(tmpdir(), 'todo-api-resource-'))
// The embedded PostgreSQL of the copy's tests may run as another user.
execFileSync('chmod', ['755', copy])

/** Puts each hunk in the place of what it shows of the file, which must be there exactly once. */
function patch(text: string, diff: string): string {
  const [, ...hunks] = diff.split(/^@@\n/m)
  return hunks.reduce((patched, hunk) => {
    const lines = hunk.trimEnd().split('\n')
    const without = (mark: string) =>
      lines
        .filter((line) => !line.startsWith(mark))
        .map((line) => line.slice(1))
        .join('\n')
    const [before, after, ...more] = patched.split(without('+'))
    if (after === undefined || more.length > 0) throw new Error(`This is not there once:\n${hunk}`)
    return before + without('-') + after
  }, text)
}

function carryOut({ language, file, text }: Block): void {
  const path = join(copy, file)
  mkdirSync(dirname(path), { recursive: true })
  if (language === 'diff') writeFileSync(path, patch(readFileSync(path, 'utf8'), text))
  else if (language === 'text') appendFileSync(path, text)
  else writeFileSync(path, text, { flag: 'wx' })
}

/** Runs a script of the copy. */
function run(...args: string[]) {
  process.stderr.write(`… npm ${args.slice(0, 4).join(' ')}\n`)
  const { status, stdout, stderr } = spawnSync('npm', args, {
    cwd: copy,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  })
  return { passed: status === 0, said: stdout + stderr }
}

function expect(met: boolean, what: string, said: string): void {
  if (met) return
  const failed = said.split('\n').filter((line) => /^ *not ok|^ +src\/|\|.*\d+-?\d* *\|? *$/.test(line))
  process.stderr.write(`${(failed.length > 0 ? failed.join('\n') : said).slice(-20_000)}\n`)
  throw new Error(what)
}

try {
  const tracked = execFileSync('git', ['ls-files', '-z'], { encoding: 'utf8' }).split('\0').filter(Boolean)
  for (const path of [...tracked, 'node_modules'])
    cpSync(path, join(copy, path), { recursive: true, verbatimSymlinks: true })

  const files = blocks.filter(({ file }) => file)
  for (const block of files) carryOut(block)
  const expectPass = (...args: string[]) => {
    const { passed, said } = run(...args)
    expect(passed, `npm ${args.slice(0, 2).join(' ')} fails.`, said)
  }
  expectPass('run', 'openapi')
  const { startServer } = (await import(
    join(copy, 'test/support/start-postgres.ts')
  )) as typeof import('../../support/start-postgres.ts')
  const { env, stop } = await startServer()
  try {
    process.env.DATABASE_URL = env.TEST_DATABASE_URL
    expectPass('run', 'db:audit')
    expectPass('run', 'db:diagram', 'db/migrations/README.md')
  } finally {
    delete process.env.DATABASE_URL
    await stop()
  }
  expectPass('run', 'lint')
  expectPass('test', '--', '--disable-coverage', ...tests.map((name) => `test/${name}.test.ts`))

  // A careless policy: the isolation tests notice without a line about the table.
  const migration = files.find(({ file }) => file.includes('migrations'))
  const path = join(copy, `${migration?.file}`)
  const careful = "with check (user_id = app.user_id('todos:write'))"
  writeFileSync(path, readFileSync(path, 'utf8').replace(careful, 'with check (true)'))
  const careless = run('test', '--', 'test/policies/policies.test.ts', '--disable-coverage')
  expect(
    !careless.passed && careless.said.includes('projects has a policy for insert'),
    'The tests pass a careless policy.',
    careless.said,
  )
  process.stdout.write(
    `${files.length} files of docs/adding-a-resource.md make a resource that the tests accept.\n`,
  )
} finally {
  rmSync(copy, { recursive: true, force: true })
}
