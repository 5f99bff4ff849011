import t from 'tap'
import { password, setUp, signUp } from '../../support/app.ts'
import { needs } from '../../support/external-programs.ts'
import {
  authorize,
  authorized,
  execute,
  operation,
  overflow,
  phone,
  picture,
  sendLogin,
  shownStatus,
  startBrowser,
  tabTo,
  tryOut,
} from './explorer.ts'

// Drawing takes a busy machine long.
t.setTimeout(300_000)

t.test('the explorer in a browser', needs('chromium'), async (t) => {
  const { app } = await setUp(t, { RATE_LIMIT_LOGIN_ACCOUNT: '4' })
  const open = await startBrowser(t, app)

  t.test('is used with the keyboard alone: log in, try an operation, and again after a reload', async (t) => {
    const email = 'ada@example.com'
    await app.inject({ method: 'POST', url: '/register', payload: { email, password } })
    const { page, complaints } = await open(t)
    const { keyboard } = page
    const block = operation(page, 'getMe')
    const tryMe = async () => {
      await tabTo(page, block.getByRole('button', { name: 'Try it out' }))
      await keyboard.press('Enter')
      await tabTo(page, block.getByRole('button', { name: 'Execute' }))
      await keyboard.press('Enter')
      t.equal(await shownStatus(block), '200')
      t.match(await block.locator('.live-responses-table').innerText(), email)
    }

    await tabTo(page, page.locator('.btn.authorize'))
    await keyboard.press('Enter')
    await page.getByLabel('Email').and(page.locator(':focus')).waitFor()
    await keyboard.type(email)
    await keyboard.press('Tab')
    await keyboard.type(password)
    await picture(page, 'explorer.png')
    await keyboard.press('Enter')
    await authorized(page).waitFor()
    await keyboard.press('Escape')
    await page.locator('.dialog-ux').waitFor({ state: 'detached' })
    await tabTo(page, block.locator('.opblock-summary-control'))
    await keyboard.press('Enter')
    await tryMe()

    const kept = await page.evaluate(
      'JSON.stringify({ ...localStorage, ...sessionStorage, c: document.cookie })',
    )
    t.match(kept, 'bearer')
    t.notMatch(kept, password, 'the password is kept nowhere')
    // The address leads back to the open operation.
    await page.reload()
    await tryMe()
    t.same(complaints, [])
  })

  t.test('says in the dialog why a login failed', async (t) => {
    const { email } = await signUp(app)
    const { page, complaints } = await open(t)
    const alert = page.getByRole('alert')
    await sendLogin(page, email, 'not the password')
    await alert.getByText('Email or password is wrong.').waitFor()
    await page.getByLabel('Password').fill(password)
    await page.getByRole('button', { name: 'Apply credentials' }).click()
    await page.getByRole('button', { name: 'Remove authorization' }).click()
    t.equal(await alert.innerText(), '', 'a login that succeeds takes the error away')

    await page.getByRole('button', { name: 'Apply credentials' }).click()
    t.equal(await page.getByLabel('Email').inputValue(), '', 'without anything nothing is sent')
    await page.getByLabel('Password').fill('x')
    await keyboardSubmit()
    await alert.getByText('email must be an email address, for example ada@example.com').waitFor()
    await page.getByLabel('Email').fill(email)
    await keyboardSubmit()
    await alert.getByText('Email or password is wrong.').waitFor()
    await keyboardSubmit()
    await alert.getByText('Too many requests.').waitFor()
    // The browser itself notes each refused request.
    t.match(complaints, [/ 401 /, / 400 /, / 401 /, / 429 /])
    t.equal(complaints.length, 4)

    async function keyboardSubmit() {
      await page.getByLabel('Password').press('Enter')
    }
  })

  t.test('takes a pasted token, personal ones too', async (t) => {
    const user = await signUp(app)
    const { page, complaints } = await open(t)
    const created = await user.ask('POST', '/tokens', { name: 'a', scopes: ['todos:read'] })
    await page.locator('.btn.authorize').first().click()
    await page.getByRole('textbox', { name: 'Token' }).fill(` ${created.json().token} `)
    await page.getByRole('button', { name: 'Apply credentials' }).click()
    await page.keyboard.press('Escape')
    t.equal(await execute(await tryOut(page, 'listTodos')), '200')
    t.same(complaints, [])
  })

  t.test('leads to an operation by its address', async (t) => {
    const { page } = await open(t, { path: '/docs#/todos/createTodo' })
    await operation(page, 'createTodo').getByRole('button', { name: 'Try it out' }).waitFor()
  })

  t.test('has a title, and its icons', async (t) => {
    const { page } = await open(t)
    t.equal(await page.title(), 'TODO API')
    const icons = await page.locator('link[rel=icon]').all()
    t.ok(icons.length > 0)
    for (const icon of icons) {
      const { headers } = await app.inject(`${await icon.getAttribute('href')}`)
      t.equal(headers['content-type'], 'image/png')
    }
  })

  t.test('fits a phone, and follows its dark scheme', async (t) => {
    const { email } = await signUp(app)
    const { page, complaints } = await open(t, { viewport: phone, colorScheme: 'dark' })
    await page.locator('html.dark-mode').waitFor()
    await page.locator('.btn.authorize').first().click()
    t.equal(await overflow(page), 0)
    await page.keyboard.press('Escape')
    await authorize(page, email, password)
    const block = await tryOut(page, 'createTodo')
    await picture(page, 'explorer-phone.png')
    t.equal(await execute(block), '201')
    t.same(complaints, [])
  })
})
