import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Secret, TOTP } from 'otpauth'
import t from 'tap'
import { createExample } from '../../policies/resources.ts'
import { logIn, password, setUp } from '../../support/app.ts'
import { needs } from '../../support/external-programs.ts'
import { authorize, execute, openOperation, overflow, phone, startBrowser, startTrying } from './explorer.ts'

const email = 'ada@example.com'
const { paths } = JSON.parse(readFileSync('openapi/openapi.json', 'utf8')) as {
  paths: Record<string, Record<string, { operationId: string; responses: object }>>
}
/** Their examples are no tokens that were mailed. */
const refused = ['resetPassword', 'verifyEmail', 'undoEmailChange']
/** What ends the session, or everything, comes last. */
const last = ['logout', 'deleteMe']
const operations = Object.entries(paths)
  .flatMap(([path, methods]) => Object.values(methods).map((operation) => ({ path, ...operation })))
  .sort((a, b) => last.indexOf(a.operationId) - last.indexOf(b.operationId))

// Drawing takes a busy machine long.
t.setTimeout(600_000)

t.test(
  'every operation works in the explorer, with its example, on a phone',
  needs('chromium'),
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'mail-'))
    t.teardown(() => rm(folder, { recursive: true }))
    const { app, database } = await setUp(t, { MAIL_URL: pathToFileURL(folder).href })
    const open = await startBrowser(t, app)
    // Without its many pixels, which take most of the time to draw.
    const { page, complaints } = await open(t, { ...phone, deviceScaleFactor: 1 })
    const trash = async () => {
      const { id } = (await ask('POST', '/todos', { title: 'a' })).json()
      await ask('DELETE', `/todos/${id}`)
      return id
    }
    /** What only exists once it has been made. */
    const make: Record<string, () => Promise<string>> = {
      '/trash/{id}': trash,
      '/trash/{id}/restore': trash,
      '/todos/{id}': async () => (await ask('POST', '/todos', { title: 'a' })).json().id,
      '/tokens/{id}': async () =>
        (await ask('POST', '/tokens', { name: 'a', scopes: ['account'] })).json().id,
      '/me/sessions/{id}': async () => (await ask('GET', '/me/sessions')).json().data[0].id,
    }
    const ask: Awaited<ReturnType<typeof logIn>>['ask'] = async (...request) =>
      (await logIn(app, email)).ask(...request)

    for (const { path, operationId, responses } of operations) {
      const block = await openOperation(page, operationId)
      const { height } = { height: Number.NaN, ...(await block.boundingBox()) }
      t.ok(height < 2 * phone.viewport.height, `${operationId} fits two screens: ${height} px`)
      await startTrying(block)
      const id = path.includes('{id}') && (await (make[path]?.() ?? createExample(ask, path)))
      // A todo of the user is filled in.
      if (path === '/todos/{id}') await block.locator('input[placeholder=id]:not([value=""])').waitFor()
      else if (id) await block.getByPlaceholder('id', { exact: true }).fill(id)
      if (operationId === 'refresh') {
        const { refreshToken } = await logIn(app, email)
        await block.locator('textarea').fill(JSON.stringify({ refresh_token: refreshToken }))
      }
      // The seed of startTotp is confirmed neither by an example nor before it is removed.
      if (operationId === 'removeTotp')
        await database.admin`update identity.totp_seeds set confirmed_at = now()`
      if (operationId === 'confirmTotp') {
        const { secret } = (await ask('POST', '/me/totp')).json()
        const code = new TOTP({ secret: Secret.fromBase32(secret) }).generate()
        await block.locator('textarea').fill(JSON.stringify({ code }))
      }
      const success = Object.keys(responses).find((status) => status.startsWith('2'))
      t.equal(await execute(block), refused.includes(operationId) ? '400' : success, operationId)
      t.equal(await overflow(page), 0, 'no wider than a phone')
      await block.locator('.opblock-summary-control').click()
      if (operationId === 'confirmTotp') await database.admin`delete from identity.totp_seeds`
      if (['registerUser', 'logout'].includes(operationId)) await authorize(page, email, password)
    }
    t.ok(operations.length > 20)
    t.same(
      complaints.filter((complaint) => !complaint.includes('status of 400')),
      [],
    )
  },
)
