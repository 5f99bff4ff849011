import type { FastifyInstance } from 'fastify'
import type { Page } from 'playwright-core'
import t from 'tap'
import { logIn, password, setUp, signUp } from '../../support/app.ts'
import { needs } from '../../support/external-programs.ts'
import { authorize, execute, logInButton, logOutButton, operation, startBrowser, tryOut } from './explorer.ts'

// Drawing takes a busy machine long.
t.setTimeout(600_000)

/** The session as the page keeps it. */
const kept = (page: Page) =>
  page.evaluate<{ token: string; refreshToken: string; expiresAt: number }>(
    'JSON.parse(Object.values(sessionStorage)[0])',
  )
const statusOf = async (app: FastifyInstance, token: string) =>
  (await app.inject({ url: '/me', headers: { authorization: `Bearer ${token}` } })).statusCode
/** Waits until the page keeps another token. */
async function renewed(page: Page, token: string): Promise<void> {
  while ((await kept(page)).token === token);
}

t.test('a login in the explorer', needs('chromium'), async (t) => {
  const clock = { ahead: 0 }
  const { app } = await setUp(t, {}, { now: () => Date.now() + clock.ahead })
  const open = await startBrowser(t, app)

  t.test('renews its token before it expires, and keeps it out of addresses', async (t) => {
    const { email } = await signUp(app)
    const { page, context } = await open(t)
    const urls: string[] = []
    context.on('request', (request) => urls.push(request.url()))
    await page.clock.install()
    await authorize(page, email, password)
    const before = await kept(page)
    await page.clock.runFor(15 * 60_000 - 50_000)
    await renewed(page, before.token)
    t.equal(await execute(await tryOut(page, 'getMe')), '200')
    t.ok(urls.length > 3)
    for (const url of [...urls, page.url()]) t.notMatch(url, 'todo_rt_')
  })

  t.test('renews a token that has expired, once for each request', async (t) => {
    const { email } = await signUp(app)
    const { page } = await open(t)
    await authorize(page, email, password)
    const before = await kept(page)
    const block = await tryOut(page, 'getMe')
    // The page does not know: its clock stands still.
    clock.ahead = 16 * 60_000
    t.teardown(() => (clock.ahead = 0))
    t.equal(await statusOf(app, before.token), 401)
    t.equal(await execute(block), '200')
    t.not((await kept(page)).token, before.token)
  })

  t.test('renews a token that expired while the page was closed', async (t) => {
    const { email } = await signUp(app)
    const { page } = await open(t)
    await authorize(page, email, password)
    const before = await kept(page)
    await page.evaluate(`{
      const [[key, value]] = Object.entries(sessionStorage)
      sessionStorage.setItem(key, JSON.stringify({ ...JSON.parse(value), expiresAt: Date.now() - 1000 }))
    }`)
    await page.reload()
    await renewed(page, before.token)
    t.equal(await execute(await tryOut(page, 'getMe')), '200')
  })

  t.test('is shared by tabs, which spend each refresh token once and end together', async (t) => {
    const { email } = await signUp(app)
    const { page, context } = await open(t)
    await authorize(page, email, password)
    const second = await context.newPage()
    await second.goto('/docs')
    await logOutButton(second).waitFor()
    const before = await kept(page)
    t.equal((await kept(second)).token, before.token)

    const refreshes: string[] = []
    context.on('request', (request) => {
      if (request.url().endsWith('/refresh')) refreshes.push(`${request.postData()}`)
    })
    await Promise.all([page, second].map((tab) => tab.evaluate('session.refresh()')))
    t.equal((await kept(second)).token, (await kept(page)).token)
    t.not((await kept(page)).token, before.token)
    t.equal(refreshes.length, 1)

    const { token } = await kept(page)
    await second.bringToFront()
    await logOutButton(second).click()
    await logInButton(page).waitFor()
    t.equal(await statusOf(app, token), 401, 'the token is revoked')
  })

  t.test('sends POST /logout', async (t) => {
    const { email } = await signUp(app)
    const { page } = await open(t)
    await authorize(page, email, password)
    const { token, refreshToken } = await kept(page)
    t.equal(await statusOf(app, token), 200)
    const sent = page.waitForResponse((response) => response.url().endsWith('/logout'))
    await logOutButton(page).click()
    t.equal((await sent).status(), 204)
    t.equal(await statusOf(app, token), 401)
    const refresh = { method: 'POST', url: '/refresh', payload: { refresh_token: refreshToken } } as const
    t.equal((await app.inject(refresh)).statusCode, 401)
  })

  t.test(
    'keeps nothing of the user but tokens, and removes everything at the end of the session',
    async (t) => {
      const { email } = await signUp(app)
      const { page } = await open(t)
      await authorize(page, email, password)
      await page.reload()
      await page.getByRole('banner').getByText(email).waitFor()
      t.notMatch(await page.evaluate('JSON.stringify({ ...sessionStorage, ...localStorage })'), email)
      const block = await tryOut(page, 'getMe')
      t.equal(await execute(block), '200')
      const shown = () => page.locator('#swagger-ui').innerText()
      t.match(await shown(), email)
      await logOutButton(page).click()
      await block.locator('.live-responses-table').waitFor({ state: 'detached' })
      t.notMatch(await shown(), email)
      t.notMatch(await shown(), 'Bearer ey', 'nor a request with the token')
      t.equal(await page.evaluate('sessionStorage.length'), 0)
    },
  )

  t.test('ends the session that a login by the operation replaces', async (t) => {
    const { email } = await signUp(app)
    const { page } = await open(t)
    await authorize(page, email, password)
    const { token } = await kept(page)
    const login = await tryOut(page, 'login')
    await login.locator('textarea').fill(JSON.stringify({ email, password }))
    const sent = page.waitForResponse((response) => response.url().endsWith('/logout'))
    t.equal(await execute(login), '200')
    t.equal((await sent).status(), 204)
    t.equal(await statusOf(app, token), 401)
    t.equal(await statusOf(app, (await kept(page)).token), 200)
  })

  t.test('follows what the operations do: a login, a logout, an end elsewhere', async (t) => {
    const { email } = await signUp(app)
    const { page } = await open(t)
    const login = await tryOut(page, 'login')
    await login.locator('textarea').fill(JSON.stringify({ email, password }))
    t.equal(await execute(login), '200')
    await logOutButton(page).waitFor()
    t.equal(await execute(await tryOut(page, 'logout')), '204')
    await logInButton(page).waitFor()

    await authorize(page, email, password)
    const elsewhere = await logIn(app, email)
    await elsewhere.ask('POST', '/logout', { everywhere: true })
    t.equal(await execute(await tryOut(page, 'getMe')), '401')
    await page.evaluate('session.refresh().catch(() => {})')
    await page.getByText('Your session has ended. Log in again.').waitFor()
    await operation(page, 'getMe').getByRole('button', { name: 'Execute' }).click()
    await page.getByLabel('Email').waitFor()
  })
})
