import { execFileSync } from 'node:child_process'
import t from 'tap'
import { createApp, password } from '../../support/app.ts'
import { cloneDatabase } from '../../support/clone-database.ts'
import { findProgram, needs, startProgram } from '../../support/external-programs.ts'
import { freePort } from '../../support/free-port.ts'
import { until } from '../../support/until.ts'
import { readCompose, secrets } from './compose.ts'
import { startNameServer } from './dns.ts'

// The profile `scale` of compose.yaml, on the real programs and with the configuration that is written there:
// only names and ports, which Docker gives, are others.

/** A text with other words; each must be there. */
function change(text: string, words: Record<string, string>): string {
  for (const word of Object.keys(words))
    if (!text.includes(word)) throw new Error(`${word} is not in ${text}`)
  return Object.entries(words).reduce((changed, [word, other]) => changed.replaceAll(word, other), text)
}

const skip = { skip: process.platform !== 'linux' && 'needs more than one loopback address' }
const programs = needs('haproxy', 'pgbouncer', 'redis-server')

t.test('serves on two replicas as if they were one', programs.skip ? programs : skip, async (t) => {
  const database = await cloneDatabase(t)
  const { services, configs } = readCompose({ ...secrets, LOGIN_PASSWORD: new URL(database.url).password })

  const [pgbouncer, prepares] = await startPgBouncer()
  async function startPgBouncer() {
    const { hostname, port: upstream, pathname, username } = new URL(database.url)
    const port = await freePort()
    const said = execFileSync(`${findProgram('pgbouncer')}`, ['--version'], { encoding: 'utf8' })
    const [, minor] = /1\.(\d+)/.exec(said) ?? []
    // It knows prepared statements from 1.21; Debian 12 has an older one.
    const prepares = Number(minor) >= 21
    await startProgram(t, 'pgbouncer', port, ['%/pgbouncer.ini'], {
      'users.txt': change(`${configs.users?.content}`, { todo_login: username }),
      'pgbouncer.ini': change(`${configs.pgbouncer?.content}`, {
        'todo = host=db port=5432': `${pathname.slice(1)} = host=${hostname} port=${upstream}`,
        'listen_addr = *': 'listen_addr = 127.0.0.1',
        'listen_port = 5432': `listen_port = ${port}`,
        '/etc/pgbouncer/': '%/',
        ...(prepares ? {} : { 'max_prepared_statements = 200': '' }),
      }),
    })
    return [port, prepares] as const
  }

  const valkey = await freePort()
  const options = services.valkey?.command?.slice(1) ?? []
  const place = ['--port', `${valkey}`, '--bind', '127.0.0.1', '--dir', '%/']
  await startProgram(t, 'redis-server', valkey, [...options, ...place])

  const { DATABASE_URL, REDIS_URL, TRUST_PROXY } = services.replica?.environment ?? {}
  const url = Object.assign(new URL(database.url), { port: `${pgbouncer}` }).href
  t.match(DATABASE_URL, '@pgbouncer:5432/')
  const env = {
    REDIS_URL: change(`${REDIS_URL}`, { '//valkey': `//127.0.0.1:${valkey}` }),
    TRUST_PROXY: `${TRUST_PROXY},127.0.0.0/8`,
    DATABASE_PREPARE: `${prepares}`,
    RATE_LIMIT_LOGIN_ACCOUNT: '5',
  }
  const addresses = ['127.0.0.2', '127.0.0.3']
  const port = await freePort()
  const counts = addresses.map(() => ({ '/health': 0, '/login': 0 }))
  const replicas = await Promise.all(addresses.map(() => createApp(t, { url }, env)))
  for (const [index, host] of addresses.entries()) {
    replicas[index]?.server.on('request', ({ url }: { url: '/health' | '/login' }) => {
      const count = counts[index]
      if (count) count[url]++
    })
    await replicas[index]?.listen({ host, port })
  }

  const door = await freePort()
  await startProgram(t, 'haproxy', door, ['-db', '-f', '%/haproxy.cfg'], {
    'haproxy.cfg': change(`${configs.haproxy?.content}`, {
      'bind :8000': `bind 127.0.0.1:${door}`,
      'replica:8000': `replica:${port}`,
      '127.0.0.11:53': `127.0.0.1:${await startNameServer(t, addresses)}`,
    }),
  })
  const ask = (method: string, path: string, token?: string, body?: object) =>
    fetch(`http://127.0.0.1:${door}${path}`, {
      method,
      headers: {
        'x-forwarded-for': '203.0.113.7',
        ...(token && { authorization: `Bearer ${token}` }),
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    })
  await until('every replica has served a request', async () => {
    await ask('GET', '/health')
    return counts.every((count) => count['/health'] !== 0)
  })

  const email = 'ada@example.com'
  t.equal((await ask('POST', '/register', undefined, { email, password })).status, 201)
  const login = await ask('POST', '/login', undefined, { email, password })
  const { access_token: token } = (await login.json()) as { access_token: string }
  for (let n = 0; n < 4; n++) t.equal((await ask('POST', '/todos', token, { title: `${n}` })).status, 201)
  const todos = await ask('GET', '/todos?count=exact', token)
  t.match(await todos.json(), { total: 4 })
  const sessions = await ask('GET', '/me/sessions', token)
  t.match(await sessions.json(), { data: [{ ip: '127.0.0.1' }] }, 'knows the client, who cannot lie about it')

  const statuses = []
  // Two counts would allow four more; what a slow Redis does not count, one replica does.
  for (let n = 0; n < 8; n++)
    statuses.push((await ask('POST', '/login', undefined, { email, password })).status)
  t.ok(statuses.includes(429), 'one count of logins', { statuses })
  t.ok(
    counts.every((count) => count['/login'] >= 2),
    'on both',
  )

  const show = await replicas[0]?.database.withoutUser(
    (tx) => tx`select current_setting('statement_timeout') as statement_timeout`,
  )
  t.same(show, [{ statement_timeout: '1400ms' }], 'PgBouncer sets what it does not pass on')
})
