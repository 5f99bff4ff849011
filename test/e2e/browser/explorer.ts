import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { type BrowserContextOptions, chromium, type Locator, type Page } from 'playwright-core'
import type { Test } from 'tap'
import { findProgram } from '../../support/external-programs.ts'

const args = [
  // Root may not have Chromium's sandbox; the only pages that it opens are our own.
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** What a browser context on a phone has. */
export const phone = {
  viewport: { width: 390, height: 844 },
  deviceScaleFactor: 3,
  isMobile: true,
  hasTouch: true,
}

/** Starts a browser with an empty profile; it ends with the test. */
export async function startBrowser(t: Test, app: FastifyInstance) {
  await app.listen({ port: 0, host: '127.0.0.1' })
  const browser = await chromium.launch({ executablePath: `${findProgram('chromium')}`, args })
  t.teardown(() => browser.close())

  /** Opens the explorer in a window that shares nothing with the others. */
  return async (t: Test, { path = '/docs', ...options }: BrowserContextOptions & { path?: string } = {}) => {
    const { baseURL = app.listeningOrigin } = options
    const context = await browser.newContext({ ...options, baseURL })
    t.teardown(() => context.close())
    const page = await context.newPage()
    page.setDefaultTimeout(60_000)
    const complaints: string[] = []
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
    })
    page.on('pageerror', (error) => complaints.push(error.message))
    context.on('request', (request) => {
      const url = request.url()
      if (!url.startsWith(`${baseURL}/`) && !url.startsWith('data:')) complaints.push(`asked for ${url}`)
    })
    await page.goto(path)
    if (/docs(#|$)/.test(page.url())) await page.locator('.opblock').first().waitFor()
    return { page, complaints, context }
  }
}

/** The block of an operation. */
export const operation = (page: Page, operationId: string) => page.locator(`[id$="-${operationId}"].opblock`)

/** Executes an operation with what is filled in, and agrees when it asks. @returns the status that is shown */
export async function execute(block: Locator): Promise<string> {
  await block.getByRole('button', { name: 'Execute' }).click()
  const agree = block.page().locator('dialog .danger')
  const shown = block.locator('.live-responses-table')
  await agree.or(shown).first().waitFor()
  if (await agree.isVisible()) await agree.click()
  return shownStatus(block)
}
export async function shownStatus(block: Locator): Promise<string> {
  return (await block.locator('.live-responses-table .response-col_status').last().innerText()).trim()
}

/** Opens an operation to be read. */
export async function openOperation(page: Page, operationId: string): Promise<Locator> {
  const block = operation(page, operationId)
  await block.locator('.opblock-summary-control').click()
  await block.locator('.errors-of-operation').waitFor()
  return block
}

export async function startTrying(block: Locator): Promise<void> {
  await block.getByRole('button', { name: 'Try it out' }).click()
  await block.getByRole('button', { name: 'Execute' }).waitFor()
}

/** Opens an operation to be tried out, with its examples filled in. */
export async function tryOut(page: Page, operationId: string): Promise<Locator> {
  const block = await openOperation(page, operationId)
  await startTrying(block)
  return block
}

export const logInButton = (page: Page) => page.getByRole('banner').getByRole('button', { name: 'Log in' })
export const logOutButton = (page: Page) => page.getByRole('button', { name: 'Log out', exact: true })

/** Fills in the form and sends it. */
export async function sendLogin(page: Page, email: string, password: string): Promise<void> {
  await logInButton(page).click()
  await page.getByLabel('Email').fill(email)
  await page.getByLabel('Password').fill(password)
  await page.keyboard.press('Enter')
}

/** Logs in, after logging out whoever was. */
export async function authorize(page: Page, email: string, password: string): Promise<void> {
  if (await logOutButton(page).isVisible()) await logOutButton(page).click()
  await sendLogin(page, email, password)
  await logOutButton(page).waitFor()
}

/** Presses Tab until something has the focus. */
export async function tabTo(page: Page, target: Locator): Promise<void> {
  const focused = target.and(page.locator(':focus'))
  for (let presses = 0; (await focused.count()) === 0; presses++) {
    if (presses > 100) throw new Error(`Tab does not reach ${target}`)
    await page.keyboard.press('Tab')
  }
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
/** What axe-core finds wrong with the accessibility of the page as it is. */
export async function findBarriers(page: Page): Promise<string[]> {
  await page.evaluate(axe)
  return page.evaluate(`axe.run().then(({ violations }) =>
    violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => id + ': ' + html)))`)
}

/** The texts that are shown smaller than a size in CSS pixels. */
export const smallTexts = (page: Page, size: number) =>
  page.evaluate<string[]>(`[...document.querySelectorAll('body *')]
    .filter((element) => !['SCRIPT', 'STYLE'].includes(element.tagName) && element.checkVisibility())
    .filter(({ childNodes }) => [...childNodes].some(({ nodeType, data }) => nodeType === 3 && data.trim()))
    .filter((element) => parseFloat(getComputedStyle(element).fontSize) < ${size})
    .map(({ outerHTML }) => outerHTML.slice(0, 200))`)

/** How much wider than the window the page is. */
export const overflow = (page: Page) =>
  page.evaluate('document.documentElement.scrollWidth - window.innerWidth')

/** With SCREENSHOTS in the environment: a picture for the README. */
export async function picture(page: Page, name: string): Promise<void> {
  if (process.env.SCREENSHOTS)
    await page.screenshot({ path: join('docs', name), scale: 'css', animations: 'disabled' })
}
