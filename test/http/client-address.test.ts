import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { parseAddress, trustProxies } from '../../src/http/client-address.ts'
import { askWith, createApp, password, setUp, signUp } from '../support/app.ts'

const { app, database } = await setUp(t, {
  TRUST_PROXY: '127.0.0.1, 10.0.0.0/8',
  RATE_LIMIT_API: '100000',
  RATE_LIMIT_LOGIN: '100000',
})

const port = fc.integer({ min: 0, max: 65535 })
const zone = fc.constantFrom('', '%eth0', '%25eth0', '%1')
const quoted = (text: fc.Arbitrary<string>) =>
  fc.tuple(text, fc.constantFrom('', '"')).map(([address, quote]) => `${quote}${address}${quote}`)
const upper = (text: string, is: boolean) => (is ? text.toUpperCase() : text)

/** An IPv4 address, and ways to write it. */
const v4 = fc.ipV4().chain((address) => {
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number)
  const hex = [(a << 8) | b, (c << 8) | d].map((group) => group.toString(16)).join(':')
  const mapped = fc.constantFrom(`::ffff:${address}`, `::FFFF:${hex}`, `0:0:0:0:0:ffff:${hex}`)
  const spellings = fc.oneof(
    fc.constant(address),
    port.map((n) => `${address}:${n}`),
    mapped,
    fc.tuple(mapped, port).map(([text, n]) => `[${text}]:${n}`),
  )
  return fc.record({ address: fc.constant(address), spelling: quoted(spellings) })
})
/** An IPv6 address in full, and ways to write it. */
const v6 = fc.array(fc.integer({ min: 1, max: 0xffff }), { minLength: 8, maxLength: 8 }).chain((groups) => {
  const short = groups.map((group) => group.toString(16)).join(':')
  const long = groups.map((group) => group.toString(16).padStart(4, '0')).join(':')
  const bare = fc
    .tuple(fc.constantFrom(short, long), fc.boolean(), zone)
    .map(([text, is, name]) => upper(text, is) + name)
  const spellings = fc.oneof(
    bare,
    bare.map((text) => `[${text}]`),
    fc.tuple(bare, port).map(([text, n]) => `[${text}]:${n}`),
  )
  return fc.record({ address: fc.constant(short), spelling: quoted(spellings) })
})

t.test('reads an address however it is written', async (t) => {
  fc.assert(fc.property(fc.oneof(v4, v6), ({ address, spelling }) => parseAddress(spelling) === address))
  t.equal(parseAddress(' [2001:DB8:0::1]:4711 '), '2001:db8::1')
  t.equal(parseAddress('203.0.113.7:_hidden'), '203.0.113.7', 'an obfuscated port (RFC 7239, section 6.2)')
})

t.test('reads no address from anything else', async (t) => {
  for (const text of [
    '',
    'unknown',
    '_hidden',
    'localhost',
    '256.1.1.1',
    '1.2.3',
    '::1::',
    '[::1',
    '1.2.3.4:',
    '%eth0',
  ])
    t.equal(parseAddress(text), null, text)
  t.equal(parseAddress(undefined), null)
  fc.assert(
    fc.property(fc.string(), (text) => {
      const address = parseAddress(text)
      return address === null || parseAddress(address) === address
    }),
  )
})

t.test('trusts a proxy however its address is written', async (t) => {
  const isTrusted = trustProxies(['10.0.0.0/8', '192.0.2.1', '2001:db8::/32', 'fe80::1%eth0'])
  for (const address of [
    '10.1.2.3',
    '10.1.2.3:80',
    '::ffff:10.1.2.3',
    '192.0.2.1',
    '[2001:DB8:1::2]:443',
    'fe80::1%eth1',
  ])
    t.ok(isTrusted(address), address)
  for (const address of ['11.0.0.1', '192.0.2.2', '2001:db9::1', 'fe80::2', 'unknown', '', undefined])
    t.notOk(isTrusted(address), `${address}`)
})

/** Every route that stores an address, called from one. */
async function visit(forwarded: string) {
  const headers = { 'x-forwarded-for': forwarded }
  const { email } = await signUp(app)
  const post = (url: string, payload: object) => app.inject({ method: 'POST', url, headers, payload })
  const login = await post('/login', { email, password })
  const { access_token, refresh_token } = login.json()
  const ask = askWith(app, access_token)
  const token = await ask('POST', '/tokens', { name: 'a', scopes: ['todos:read'] }, headers)
  return {
    answers: [
      login,
      await post('/login', { email, password: 'wrong' }),
      await post('/refresh', { refresh_token }),
      token,
      await ask('DELETE', `/tokens/${token.json().id}`, undefined, headers),
      await ask('PATCH', '/me', { email, current_password: password }, headers),
      await ask('PATCH', '/me', { new_password: password, current_password: password }, headers),
    ],
    sessions: (await ask('GET', '/me/sessions')).json().data,
    events: (await ask('GET', '/me/events?limit=6')).json().data,
  }
}
const OK = [200, 401, 200, 201, 204, 200, 200]
const statuses = (visited: Awaited<ReturnType<typeof visit>>) =>
  visited.answers.map((answer) => answer.statusCode)

t.test('stores a client address in any form that a proxy writes, and never returns 5xx', async (t) => {
  for (const [written, ip] of [
    ['203.0.113.7:51234', '203.0.113.7'],
    ['[2001:db8::1]:4711', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['198.51.100.1, 203.0.113.7:1, 10.1.2.3:2', '203.0.113.7'],
    ['unknown', null],
    ['203.0.113.7, unknown', null],
    ['_hidden, 10.0.0.1', null],
    ['x'.repeat(5000), null],
  ] as const) {
    const visited = await visit(written)
    t.same(statuses(visited), OK, written)
    t.equal(visited.sessions[0].ip, ip, written)
    for (const event of visited.events) t.equal(event.ip, ip, `${written}: ${event.kind}`)
  }
})

t.test('never returns 5xx to any text', async (t) => {
  // What a header may hold (RFC 9110, section 5.5).
  const text = fc.string({
    unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
  })
  await fc.assert(
    fc.asyncProperty(text, async (forwarded) => {
      t.same(statuses(await visit(forwarded)), OK, forwarded)
    }),
    { numRuns: 10 },
  )
})

/** What is left of the limit of the client at an address, after this request. */
async function left(forwarded: string) {
  const { headers } = await app.inject({ url: '/nothing', headers: { 'x-forwarded-for': forwarded } })
  return Number(/r=(\d+)/.exec(`${headers.ratelimit}`)?.[1])
}

t.test('counts a client once, however its address is written', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(v4, v6), async ({ address, spelling }) => {
      const before = await left(address)
      t.equal(await left(spelling), before - 1, spelling)
    }),
    { numRuns: 50 },
  )
})

t.test('counts clients without an address together with the proxy that sent them', async (t) => {
  const before = await left('unknown')
  t.equal(await left('203.0.113.7, _hidden'), before - 1)
  t.equal(await left('127.0.0.1'), before - 2)
  t.ok((await left('203.0.113.99')) > before, 'and with nobody else')
})

t.test('serves clients of a Unix socket, who have no address', async (t) => {
  const local = await createApp(t, database, { RATE_LIMIT_API: '3' })
  const path = join(tmpdir(), `todo-${process.pid}.sock`)
  await local.listen({ path })
  const send = () =>
    new Promise<number | undefined>((resolve, reject) => {
      request({ socketPath: path, path: '/nothing' }, (answer) => resolve(answer.resume().statusCode))
        .on('error', reject)
        .end()
    })
  t.same([await send(), await send(), await send(), await send()], [404, 404, 404, 429])
})
