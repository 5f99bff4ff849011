import { readFileSync } from 'node:fs'
import { connect } from 'node:http2'
import { request } from 'node:https'
import t, { type Test } from 'tap'
import { createApp, password } from '../../support/app.ts'
import { makeCertificate } from '../../support/certificate.ts'
import { cloneDatabase } from '../../support/clone-database.ts'
import { needs, startProgram } from '../../support/external-programs.ts'
import { freePort } from '../../support/free-port.ts'
import { readBlocks } from '../../support/markdown.ts'

// Runs the configurations of docs/reverse-proxy.md: only ports, names and paths are others here.

const blocks = readBlocks('docs/reverse-proxy.md')
const [nginx = '', nginxBelow = ''] = blocks.filter((b) => b.language === 'nginx').map(({ text }) => text)
const [haproxy = '', haproxyBelow = ''] = blocks
  .filter((b) => b.language === 'haproxy')
  .map(({ text }) => text)

/** A text with other words; each must be there. */
function change(text: string, words: Record<string, string>): string {
  for (const word of Object.keys(words))
    if (!text.includes(word)) throw new Error(`${word} is not in ${text}`)
  return Object.entries(words).reduce((changed, [word, other]) => changed.replaceAll(word, other), text)
}

interface Answer {
  status: number
  headers: Record<string, string>
  body: Buffer
}
/** A client of the proxy, which trusts its certificate alone. */
const client =
  (port: number, ca: string) =>
  (method: string, path: string, body?: object, headers: Record<string, string> = {}): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const options = { host: 'localhost', port, ca, method, path, agent: false, headers: { ...headers } }
      if (body) options.headers['content-type'] = 'application/json'
      const sent = request(options, async (response) => {
        const chunks: Buffer[] = []
        for await (const chunk of response) chunks.push(chunk)
        const answer = {
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks),
        }
        resolve(answer as Answer)
      })
      sent.on('error', reject)
      sent.end(body && JSON.stringify(body))
    })
type Ask = ReturnType<typeof client>

/** Starts nginx or HAProxy with a configuration. @returns its port, and a client */
async function startProxy(t: Test, program: 'nginx' | 'haproxy', config: string, upstream: string) {
  const tls = await freePort()
  const files = makeCertificate(t.testdir())
  const [key, certificate] = [files.key, files.certificate].map((file) => readFileSync(file, 'utf8')) as [
    string,
    string,
  ]
  if (program === 'haproxy') {
    const text = change(config, {
      'bind :443': `bind 127.0.0.1:${tls}`,
      '/etc/haproxy/todo.pem': '%/todo.pem',
      '127.0.0.1:8000': upstream,
    })
    const files = { 'haproxy.cfg': text, 'todo.pem': certificate + key }
    await startProgram(t, 'haproxy', tls, ['-db', '-f', '%/haproxy.cfg'], files)
  } else {
    const text = change(config, {
      'listen 443 ': `listen 127.0.0.1:${tls} `,
      'todo.example.com': 'localhost',
      '/etc/ssl/': '%/',
      '127.0.0.1:8000': upstream,
    })
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (name) => `${name}_temp_path /tmp/nginx-${tls}-${name};`,
    )
    const rest = `daemon off; pid /tmp/nginx-${tls}.pid; error_log stderr; events {}`
    const file = `${rest}\nhttp {\naccess_log off;\n${temporary.join('\n')}\n${text}}\n`
    const files = { 'nginx.conf': file, 'todo.crt': certificate, 'todo.key': key }
    const { stop } = await startProgram(t, 'nginx', tls, ['-c', '%/nginx.conf'], files)
    // Its workers would outlive SIGKILL.
    t.teardown(() => stop('SIGTERM'))
  }
  return { ask: client(tls, certificate), tls, certificate }
}

async function logIn(ask: Ask, base = '') {
  const account = { email: 'ada@example.com', password }
  await ask('POST', `${base}/register`, account, { 'x-forwarded-for': '203.0.113.7' })
  const login = await ask('POST', `${base}/login`, account, { 'x-forwarded-for': '203.0.113.7' })
  return { authorization: `Bearer ${JSON.parse(`${login.body}`).access_token}` }
}

const gzip = { 'accept-encoding': 'gzip' }
const long = { title: 'Read the notes', notes: 'x'.repeat(5000) }

async function check(t: Test, program: 'nginx' | 'haproxy', config: string, below: string) {
  const database = await cloneDatabase(t)
  const app = await createApp(t, database, { TRUST_PROXY: '127.0.0.1' })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const upstream = new URL(app.listeningOrigin).host
  const { ask, tls, certificate } = await startProxy(t, program, config, upstream)

  const http2 = connect(`https://localhost:${tls}`, { ca: certificate })
  const [headers] = await new Promise<[Record<string, string>]>((resolve) => {
    const stream = http2.request({ ':path': '/ready' })
    stream.on('response', (...answer) => resolve(answer as never)).end()
  })
  t.equal(headers[':status'], 200, 'HTTP/2')
  http2.close()

  const authorization = await logIn(ask)
  const sessions = JSON.parse(`${(await ask('GET', '/me/sessions', undefined, authorization)).body}`)
  t.match(sessions, { data: [{ ip: '127.0.0.1' }] }, 'knows the client, who cannot choose an address')

  const made = await ask('POST', '/todos', long, authorization)
  const path = `${made.headers.location}`
  t.match(path, /^\/todos\/[\w-]+$/)
  const list = await ask('GET', '/todos', undefined, { ...authorization, ...gzip })
  t.equal(list.headers['content-encoding'], program === 'nginx' ? 'gzip' : undefined)
  const one = await ask('GET', path, undefined, { ...authorization, ...gzip })
  t.equal(one.headers.etag, '"1"', 'the tag stays strong')
  const change = { ...authorization, 'if-match': `${one.headers.etag}` }
  t.equal((await ask('PATCH', path, { priority: 1 }, change)).status, 200)
  t.equal((await ask('PATCH', path, { priority: 1 }, change)).status, 412)
  const current = { ...authorization, 'if-none-match': '"2"' }
  t.equal((await ask('GET', path, undefined, current)).status, 304)

  const compressed = await startProxy(t, program, below, upstream)
  const weak = await compressed.ask('GET', path, undefined, { ...authorization, ...gzip })
  t.match(weak.headers, { etag: 'W/"2"', 'content-encoding': 'gzip' }, 'compression makes the tag weak')
  const weakly = { ...authorization, 'if-match': 'W/"2"' }
  t.equal((await compressed.ask('PATCH', path, { priority: 2 }, weakly)).status, 412)
  const unchanged = { ...authorization, 'if-none-match': 'W/"2"' }
  t.equal((await compressed.ask('GET', path, undefined, unchanged)).status, 304)
}

async function checkBelow(t: Test, program: 'nginx' | 'haproxy', config: string) {
  const database = await cloneDatabase(t)
  const app = await createApp(t, database, { TRUST_PROXY: '127.0.0.1', BASE_PATH: '/api' })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { ask } = await startProxy(t, program, config, new URL(app.listeningOrigin).host)
  const authorization = await logIn(ask, '/api')
  const made = await ask('POST', '/api/todos', long, authorization)
  const path = `${made.headers.location}`
  t.match(path, /^\/api\/todos\/[\w-]+$/)
  const one = await ask('GET', `${path}?x=1`, undefined, { ...authorization, ...gzip })
  t.equal(one.status, 400, 'the query arrives')
  const todo = await ask('GET', path, undefined, { ...authorization, ...gzip })
  t.match(todo, { status: 200, headers: { etag: '"1"' } })
  t.match(`${(await ask('GET', '/api/docs')).body}`, '/api/docs/static/')
  t.equal((await ask('GET', path.slice('/api'.length), undefined, authorization)).status, 404)
}

const single = /^ {2}# Responses with an entity tag.*?^ {2}\}\n/ms
t.test('nginx, as docs/reverse-proxy.md configures it', needs('nginx', 'openssl'), async (t) => {
  t.match(nginx, single)
  await check(t, 'nginx', nginx, nginx.replace(single, ''))
  await checkBelow(
    t,
    'nginx',
    nginx.replace(single, '').replace(/^ {2}location \/ \{.*?^ {2}\}\n/ms, nginxBelow),
  )
})

t.test('HAProxy, as docs/reverse-proxy.md configures it', needs('haproxy', 'openssl'), async (t) => {
  const compression = '$&  compression algo gzip\n  compression type application/json\n'
  await check(
    t,
    'haproxy',
    haproxy,
    haproxy.replace('backend todo_api\n  balance', `backend todo_api\n${compression.slice(2)}  balance`),
  )
  await checkBelow(t, 'haproxy', change(haproxy, { '  default_backend todo_api\n': haproxyBelow }))
})
