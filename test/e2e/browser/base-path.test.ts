import t from 'tap'
import { password, setUp } from '../../support/app.ts'
import { needs, startProgram } from '../../support/external-programs.ts'
import { freePort } from '../../support/free-port.ts'
import { authorize, execute, startBrowser, tryOut } from './explorer.ts'

// Drawing takes a busy machine long.
t.setTimeout(600_000)

t.test('the explorer behind HAProxy, which strips a prefix', needs('haproxy', 'chromium'), async (t) => {
  const { app } = await setUp(t, { BASE_PATH: '/api' })
  const email = 'ada@example.com'
  await app.inject({ method: 'POST', url: '/register', payload: { email, password } })
  const open = await startBrowser(t, app)
  const door = await freePort()
  const config = `
defaults
  mode http
  timeout connect 2s
  timeout client 30s
  timeout server 30s
frontend public
  bind 127.0.0.1:${door}
  http-request deny deny_status 404 unless { path /api } or { path_beg /api/ }
  http-request set-path %[path,regsub(^/api/?,/)]
  default_backend api
backend api
  server api ${new URL(app.listeningOrigin).host}
`
  await startProgram(t, 'haproxy', door, ['-db', '-f', '%/haproxy.cfg'], { 'haproxy.cfg': config })
  const origin = `http://127.0.0.1:${door}`

  // A browser at the entry point is sent to the explorer, whose requests all stay below the prefix.
  const { page, complaints } = await open(t, { baseURL: origin, path: '/api' })
  t.equal(page.url(), `${origin}/api/docs`)
  const outside: string[] = []
  page.on('request', (request) => {
    if (!request.url().startsWith(`${origin}/api/`)) outside.push(request.url())
  })
  await authorize(page, email, password)
  const block = await tryOut(page, 'createTodo')
  t.equal(await execute(block), '201')
  const [, location = ''] =
    /location: (\S+)/.exec(await block.locator('.live-responses-table').innerText()) ?? []
  t.match(location, /^\/api\/todos\/[\w-]+$/)
  t.equal(await execute(await tryOut(page, 'getIndex')), '200')
  await page.goto('/api/docs/static/index.html')
  t.equal(page.url(), `${origin}/api/docs/`)
  await page.locator('.opblock').first().waitFor()
  t.same(outside, [])
  t.same(complaints, [])
  t.equal((await fetch(origin + location)).status, 401, 'what Location names is there')
})
