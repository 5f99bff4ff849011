import t from 'tap'
import { password, setUp, signUp } from '../../support/app.ts'
import { needs } from '../../support/external-programs.ts'
import {
  authorize,
  execute,
  findBarriers,
  logInButton,
  logOutButton,
  openOperation,
  operation,
  overflow,
  phone,
  picture,
  sendLogin,
  shownStatus,
  smallTexts,
  startBrowser,
  tabTo,
  tryOut,
} from './explorer.ts'

// Drawing takes a busy machine long.
t.setTimeout(600_000)

t.test('the explorer in a browser', needs('chromium'), async (t) => {
  const { app } = await setUp(t, { RATE_LIMIT_LOGIN_ACCOUNT: '3' })
  const open = await startBrowser(t, app)

  t.test('leads a newcomer with a keyboard from nothing to the first todo', async (t) => {
    const { page, complaints } = await open(t)
    const { keyboard } = page
    const block = operation(page, 'createTodo')
    await tabTo(page, block.locator('.opblock-summary-control'))
    await keyboard.press('Enter')
    await tabTo(page, block.getByRole('button', { name: 'Try it out' }))
    await keyboard.press('Enter')
    await tabTo(page, block.getByRole('button', { name: 'Execute' }))
    await keyboard.press('Enter')
    // It asks for the login that is missing.
    await page.getByLabel('Email').and(page.locator(':focus')).waitFor()
    await tabTo(page, page.getByRole('button', { name: 'Register', exact: true }))
    await keyboard.press('Enter')
    await keyboard.type('ada@example.com')
    await keyboard.press('Tab')
    await keyboard.type(password)
    await picture(page, 'explorer.png')
    await keyboard.press('Enter')
    t.equal(await shownStatus(block), '201')
    await page.getByRole('banner').getByText('ada@example.com').waitFor()
    await page.getByRole('banner').getByText('until').waitFor()

    const kept = await page.evaluate(
      'JSON.stringify({ ...localStorage, ...sessionStorage, c: document.cookie })',
    )
    t.notMatch(kept, password, 'the password is kept nowhere')
    await page.reload()
    t.equal(await execute(await tryOut(page, 'getMe')), '200', 'still logged in after a reload')
    t.same(complaints, [])
  })

  t.test('says in the form why a login failed', async (t) => {
    const { email } = await signUp(app)
    const { page } = await open(t)
    const alert = page.getByRole('alert')
    await sendLogin(page, email, 'not the password')
    await alert.getByText('Wrong email or password.').waitFor()
    const field = page.getByLabel('Password')
    t.equal(await field.getAttribute('type'), 'password', 'the password is masked')
    t.equal(await field.getAttribute('autocomplete'), 'current-password', 'a password manager can fill it in')
    await page.getByLabel('Email').fill('x')
    await page.keyboard.press('Enter')
    await alert.getByText('email must be an email address, for example ada@example.com').waitFor()
    await page.getByLabel('Email').fill(email)
    await page.keyboard.press('Enter')
    await alert.getByText('Wrong email or password.').waitFor()
    await page.keyboard.press('Enter')
    await alert.getByText('The limit "login_account" allows 3 requests').waitFor()
    await page.keyboard.press('Escape')
    await logInButton(page).waitFor()
  })

  t.test('takes a pasted token, and only forgets it', async (t) => {
    const user = await signUp(app)
    const { page } = await open(t)
    const { token } = (await user.ask('POST', '/tokens', { name: 'a', scopes: ['todos:read'] })).json()
    await logInButton(page).click()
    await page.getByText('Use a token instead').click()
    await page.getByRole('textbox', { name: 'Token' }).fill('todo_pat_wrong')
    await page.keyboard.press('Enter')
    await page.getByRole('alert').getByText('Invalid token.').waitFor()
    await page.getByRole('textbox', { name: 'Token' }).fill(` ${token} `)
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Forget token' }).waitFor()
    t.equal(await execute(await tryOut(page, 'listTodos')), '200')
    await page.getByRole('button', { name: 'Forget token' }).click()
    await logInButton(page).waitFor()
    const headers = { authorization: `Bearer ${token}` }
    t.equal((await app.inject({ url: '/todos', headers })).statusCode, 200, 'it still works')
  })

  t.test('shows the request as curl, JavaScript and Python', async (t) => {
    const user = await signUp(app)
    const { page, context } = await open(t)
    await context.grantPermissions(['clipboard-read', 'clipboard-write'])
    await authorize(page, user.email, password)
    const block = await tryOut(page, 'createTodo')
    await block.locator('textarea').fill('{"title":"It\'s ☂ time"}')
    t.equal(await execute(block), '201')
    for (const [language, start] of [
      ['curl', 'curl -X POST '],
      ['JavaScript', 'const response = await fetch('],
      ['Python', 'from urllib.request import'],
    ] as const) {
      await block.getByRole('button', { name: language, exact: true }).click()
      await block.getByRole('button', { name: 'Copy', exact: true }).click()
      await block.getByRole('button', { name: 'Copied', exact: true }).waitFor()
      const copied = await page.evaluate<string>('navigator.clipboard.readText()')
      t.ok(copied.startsWith(start), copied)
      for (const part of ['/todos', 'Bearer ', '☂ time']) t.match(copied, part)
    }
  })

  t.test('asks before it destroys, and fills in a todo of the user', async (t) => {
    const user = await signUp(app)
    const { page } = await open(t)
    const { id } = (await user.ask('POST', '/todos', { title: 'a', notes: 'kept' })).json()
    await authorize(page, user.email, password)
    const patch = await tryOut(page, 'updateTodo')
    await patch.locator(`input[value="${id}"]`).waitFor()
    t.equal(await execute(patch), '200')
    t.match((await user.ask('GET', `/todos/${id}`)).json(), { completed: true, notes: 'kept' })

    for (const name of ['deleteTodo', 'deleteTodos', 'deleteMe']) {
      const block = await tryOut(page, name)
      if (name === 'deleteTodo') await block.locator(`input[value="${id}"]`).waitFor()
      await block.getByRole('button', { name: 'Execute' }).click()
      await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()
      t.equal(await block.locator('.live-responses-table').count(), 0, 'nothing was sent')
    }
    t.equal((await user.ask('GET', `/todos/${id}`)).statusCode, 200)
    t.equal(await execute(operation(page, 'deleteTodo')), '204')
    t.equal((await user.ask('GET', `/todos/${id}`)).statusCode, 404)
  })

  t.test('leads to an operation by its address, and shows its errors in a line each', async (t) => {
    const { page } = await open(t, { path: '/docs#/todos/createTodo' })
    const block = operation(page, 'createTodo')
    await block.getByRole('button', { name: 'Try it out' }).waitFor()
    t.equal(await block.getByText('Default Response').count(), 0)
    t.equal(await block.locator('tr.response').count(), 1, 'its success')
    await block.getByRole('link', { name: 'malformed_json' }).click()
    await page.getByRole('heading', { name: 'The body is not valid JSON' }).waitFor()
  })

  t.test('names the kinds of an operation in a batch', async (t) => {
    const { page } = await open(t, { path: '/docs#/todos/batchTodos' })
    const block = operation(page, 'batchTodos')
    await block.getByText('Schema', { exact: true }).first().click()
    await block.getByText('array<CreateOperation | UpdateOperation | DeleteOperation>').waitFor()
    t.equal(await page.locator('section.models').count(), 0)
  })

  t.test('has a title, and an icon', async (t) => {
    const { page } = await open(t)
    t.equal(await page.title(), 'TODO API')
    const { headers } = await app.inject(`${await page.locator('link[rel=icon]').getAttribute('href')}`)
    t.equal(headers['content-type'], 'image/svg+xml; charset=utf-8')
  })

  for (const colorScheme of ['light', 'dark'] as const)
    for (const [device, options] of [
      ['a desktop', { reducedMotion: 'reduce' }],
      ['a phone', phone],
    ] as const)
      t.test(`is readable and accessible on ${device} in the ${colorScheme} scheme`, async (t) => {
        const { email } = await signUp(app)
        const { page, complaints } = await open(t, { ...options, colorScheme })
        t.equal(
          await page.evaluate('document.documentElement.classList.contains("dark-mode")'),
          colorScheme === 'dark',
        )
        const check = async (place: string) => {
          t.same(await findBarriers(page), [], place)
          t.same(await smallTexts(page, 14), [], place)
          t.equal(await overflow(page), 0, place)
        }
        await check('start')
        await logInButton(page).click()
        await check('form')
        await page.keyboard.press('Escape')
        await authorize(page, email, password)
        const block = await tryOut(page, 'createTodo')
        if (device === 'a phone' && colorScheme === 'dark') await picture(page, 'explorer-phone.png')
        t.equal(await execute(block), '201')
        await check('executed')
        await openOperation(page, 'listTodos')
        await check('list')

        await logOutButton(page).click()
        for (const path of ['/problems', '/problems/invalid_request', '/docs/guide', '/docs/guide/api']) {
          await page.goto(path)
          await check(path)
        }
        if (device === 'a desktop')
          t.equal(await page.evaluate('getComputedStyle(document.body).transitionDuration'), '0s')
        t.same(complaints, [])
      })
})
