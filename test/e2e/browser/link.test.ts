import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { logIn, password, setUp, signUp } from '../../support/app.ts'
import { needs } from '../../support/external-programs.ts'
import { until } from '../../support/until.ts'
import { logInButton, startBrowser } from './explorer.ts'

// Drawing takes a busy machine long.
t.setTimeout(300_000)

t.test('a mailed link', needs('chromium'), async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'mail-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const { app } = await setUp(t, { MAIL_URL: pathToFileURL(folder).href })
  const open = await startBrowser(t, app)

  /** The link in the newest mail to an address with this kind of token. */
  async function linkTo(email: string, kind: string): Promise<string> {
    let link = ''
    await until('the mail arrives', async () => {
      for (const file of (await readdir(folder)).filter((name) => name.endsWith('.eml')).sort()) {
        const content = (await readFile(join(folder, file), 'utf8')).replaceAll(/=\r\n/g, '')
        if (content.includes(`To: ${email}`))
          link = new RegExp(`/link#todo_${kind}_[\\w-]+`).exec(content)?.[0] ?? link
      }
      return link
    })
    return link
  }

  t.test('sets a new password, which the login dialog asks for', async (t) => {
    const { email } = await signUp(app)
    const { page, complaints } = await open(t)
    await logInButton(page).click()
    await page.locator('dialog').getByLabel('Email').fill(email)
    await page.getByRole('button', { name: 'Forgot password?' }).click()
    await page.getByText('is on its way').waitFor()
    const urls: string[] = []
    page.on('request', (request) => urls.push(request.url() + JSON.stringify(request.headers())))
    await page.goto(await linkTo(email, 'reset'))
    await page.getByLabel('New password').fill('password123')
    const button = page.getByRole('button', { name: 'Set the password' })
    await button.click()
    await page.getByText('one of the most common').waitFor()
    await page.getByLabel('New password').fill('a brand new password')
    await button.click()
    await page.getByText('Your password has changed').waitFor()
    t.notMatch(page.url(), '#')
    t.notOk(
      urls.some((url) => url.includes('todo_reset_')),
      'no address and no header has the token',
    )
    t.ok((await logIn(app, email, 'a brand new password')).token)
    t.same(
      complaints.filter((text) => !text.includes('400')),
      [],
    )
  })

  t.test('confirms an address only when the button is pressed, and works once', async (t) => {
    const user = await signUp(app)
    const link = await linkTo(user.email, 'verify')
    const { page } = await open(t, { path: link })
    await page.getByRole('heading', { name: 'Confirm your email address' }).waitFor()
    t.equal((await user.ask('GET', '/me')).json().email_verified_at, null)
    await page.getByRole('button', { name: 'Confirm the address' }).click()
    await page.getByText('Your email address is confirmed').waitFor()
    t.ok((await user.ask('GET', '/me')).json().email_verified_at)
    await page.goto('/docs/guide')
    await page.goto(link)
    await page.getByRole('button', { name: 'Confirm the address' }).click()
    await page.getByText('not valid any more').waitFor()
  })

  t.test('says when it is not complete', async (t) => {
    const { page } = await open(t, { path: '/link#todo_' })
    await page.getByText('The link is not complete').waitFor()
    t.notOk(await page.getByRole('button').isVisible())
  })

  t.test('undoes a change of the address', async (t) => {
    const user = await signUp(app)
    const other = `new-${user.email}`
    await user.ask('PATCH', '/me', { email: other, current_password: password })
    const { page } = await open(t, { path: await linkTo(other, 'verify') })
    await page.getByRole('button', { name: 'Confirm the address' }).click()
    await page.getByText('is confirmed').waitFor()
    await page.goto(await linkTo(user.email, 'undo'))
    await page.getByRole('button', { name: 'Restore the address' }).click()
    await page.getByText('Your address is restored').waitFor()
    t.ok((await logIn(app, user.email)).token)
  })
})
