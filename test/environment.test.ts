import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { loadEnvironment } from '../src/environment.ts'

t.test('reads .env in every form that editors write', async (t) => {
  const own = { ...process.env }
  t.teardown(() => Object.assign(process.env, own))
  const file = join(t.testdir({ env: '' }), 'env')
  const cases: Record<string, string> = {
    plain: 'TEST_A=one\nTEST_B=two words\n',
    'a byte order mark': '\uFEFFTEST_A=one\nTEST_B=two words',
    CRLF: 'TEST_A=one\r\nTEST_B=two words\r\n',
    CR: 'TEST_A=one\rTEST_B=two words\r',
    export: 'export TEST_A=one\n\texport  TEST_B="two words"\n',
    quotes: `TEST_A="one"\nTEST_B='two words'\n`,
    'quotes and CRLF': `TEST_A="one"\r\nTEST_B='two words'\r\n`,
    comments: '# TEST_A=no\nTEST_A=one # yes\n  # don\'t\nTEST_B="two words" # and\n',
    spaces: '  TEST_A = one  \n\tTEST_B\t=\ttwo words\t\n\n',
  }
  for (const [name, text] of Object.entries(cases)) {
    for (const variable of ['TEST_A', 'TEST_B']) delete process.env[variable]
    writeFileSync(file, text)
    loadEnvironment([file])
    t.same([process.env.TEST_A, process.env.TEST_B], ['one', 'two words'], name)
  }
  writeFileSync(file, 'TEST_A=other\nTEST_C=three\nPGHOST=nowhere\n')
  loadEnvironment([file, join(file, 'nothing')])
  t.match(process.env, { TEST_A: 'one', TEST_C: 'three', PGHOST: undefined }, 'what is set comes first')
  for (const encoded of [
    Buffer.from('\uFEFFTEST_A=secret', 'utf16le'),
    Buffer.from('TEST_A=secret', 'utf16le').swap16(),
  ]) {
    writeFileSync(file, encoded)
    t.throws(() => loadEnvironment([file]), {
      message: `The file ${file} is not UTF-8 text, probably UTF-16: save it as UTF-8.`,
    })
  }
  t.throws(() => loadEnvironment([t.testdirName]), { message: /^The file \S+ cannot be read \(EISDIR\): / })
})
