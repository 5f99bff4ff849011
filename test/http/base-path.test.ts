import t, { type Test } from 'tap'
import { createApp, problem, setUp, signUp } from '../support/app.ts'

const { app, database } = await setUp(t)

t.test('redirects a browser from / to the explorer, and serves others an index', async (t) => {
  const ask = (accept?: string) => app.inject({ url: '/', headers: accept === undefined ? {} : { accept } })
  const browsers = ['text/html', 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8']
  for (const accept of browsers) {
    const { statusCode, headers } = await ask(accept)
    t.equal(statusCode, 302)
    t.match(headers, { location: '/docs', vary: 'Accept' })
  }
  for (const accept of [
    undefined,
    '*/*',
    'application/json',
    'application/json, text/html;q=0.9',
    'text/html;q=0, */*',
  ]) {
    const answer = await ask(accept)
    t.equal(answer.statusCode, 200, `${accept}`)
    const links = { document: '/docs/json', docs: '/docs', problems: '/problems', health: '/health' }
    t.match(answer.json(), { name: 'TODO API', version: /^\d+\.\d+\.\d+/, links })
    for (const path of Object.values(links)) t.equal((await app.inject(path)).statusCode, 200, path)
  }
  problem(t, await ask('image/png'), 406, 'not_acceptable')
  const open = await createApp(t, database, { CORS_ORIGINS: 'https://app.example.com' })
  t.equal((await open.inject('/')).headers.vary, 'Origin, Accept')
})

/** Every path that answers name. */
async function collectPaths(t: Test, base: string) {
  const behind = await createApp(t, database, { BASE_PATH: base })
  const user = await signUp(behind)
  const get = (url: string, accept = '*/*') => user.ask('GET', url, undefined, { accept })
  const created = await user.ask('POST', '/todos', { title: 'a' })
  await user.ask('POST', '/todos', { title: 'b' })
  const list = await get('/todos?limit=1&offset=1&sort=title')
  const docs = (await get('/docs', 'text/html')).body
  return {
    paths: [
      created.headers.location,
      ...[...`${list.headers.link}`.matchAll(/<([^>]*)>/g)].map(([, path]) => path),
      (await get('/', 'text/html')).headers.location,
      (await get('/docs/static/index.html', 'text/html')).headers.location,
      ...Object.values((await get('/')).json().links),
      ...[...docs.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path),
      (await get('/nothing?x=1')).json().instance,
      (await get('/todos/1')).json().instance,
    ].map(String),
    server: (await get('/docs/json')).json().servers[0].url,
    yaml: (await get('/docs/yaml')).body,
    invalid: (await get('/%zz')).json().instance,
  }
}

t.test('begins every URL in an answer with BASE_PATH', async (t) => {
  const plain = await collectPaths(t, '')
  t.ok(plain.paths.length > 15)
  for (const path of plain.paths) t.match(path, /^\/(?!api)/)
  t.equal(plain.server, '/')

  for (const base of ['/api', '/some/where.v1']) {
    const behind = await collectPaths(t, base)
    t.equal(behind.paths.length, plain.paths.length)
    for (const path of behind.paths) {
      t.ok(path.startsWith(`${base}/`), path)
      t.notOk(path.slice(1).includes(`${base}/`), `${path}: once`)
    }
    t.equal(behind.server, base)
    t.match(behind.yaml, `url: ${base}\n`)
    t.equal(behind.invalid, '/%zz', 'as it was sent')
  }
})

t.test('is served at / with any BASE_PATH, because the proxy strips it', async (t) => {
  const behind = await createApp(t, database, { BASE_PATH: '/api' })
  t.equal((await behind.inject('/health')).statusCode, 200)
  t.equal((await behind.inject('/api/health')).statusCode, 404)
})
