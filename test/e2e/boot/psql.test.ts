import { execFile } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { startEmbedded } from '../../../db/embedded/start.ts'
import { needs } from '../../support/external-programs.ts'
import { readBlocks } from '../../support/markdown.ts'

/** Not the test's own folder, which is in the checkout: that may be in a private one. */
function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'todo-api-test-'))
  chmodSync(folder, 0o755)
  t.teardown(() => rmSync(folder, { recursive: true }))
  return folder
}

t.test('prints and documents how to connect with psql', needs('psql'), async (t) => {
  const embedded = await startEmbedded(makeFolder())
  t.teardown(embedded.stop)
  const { stdout } = await promisify(execFile)('sh', ['-c', `${embedded.psql} -tAc 'select current_user'`])
  t.equal(stdout.trim(), 'todo_login')
  const command = embedded.psql.replace(/=.*\/pg/, '=.data/pg')
  for (const file of ['README.md', 'db/migrations/README.md'])
    t.ok(
      readBlocks(file).some(({ text }) => text.trim() === command),
      file,
    )
})
