import { createCipheriv, createHmac, generateKeyPairSync, randomBytes, sign as signWith } from 'node:crypto'
import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { createSecret, writeToken } from '../../src/credentials/opaque-tokens.ts'
import { createApp, problem, setUp, signUp, testing } from '../support/app.ts'

const { app, database } = await setUp(t)
const user = await signUp(app)
const [header, payload, signature] = user.token.split('.') as [string, string, string]
const encode = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
const decode = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString())
const head = decode(header)
const claims = decode(payload)
const mac = (input: string, secret: string | Buffer = testing.JWT_SECRET, hash = 'sha256') =>
  createHmac(hash, secret).update(input).digest('base64url')
/** Signed with the API's own secret, whatever the parts say. */
const sign = (head: unknown, claims: unknown, secret?: string | Buffer, hash?: string) => {
  const input = `${encode(head)}.${encode(claims)}`
  return `${input}.${mac(input, secret, hash)}`
}
const withHeader = (more: object) => sign({ ...head, ...more }, claims)
const withClaims = (more: object) => sign(head, { ...claims, ...more })
const without = (name: string) => sign(head, { ...claims, [name]: undefined })
const unsigned = (alg: unknown) => `${encode({ ...head, alg })}.${payload}.`
const now = Math.floor(Date.now() / 1000)
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const publicPem = rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString()
const jwk = rsa.publicKey.export({ format: 'jwk' })
const asymmetric = (alg: string, key: typeof rsa.privateKey, more: object = {}) => {
  const input = `${encode({ ...head, alg, ...more })}.${payload}`
  return `${input}.${signWith('sha256', Buffer.from(input), key).toString('base64url')}`
}
function encrypted(): string {
  const [key, iv, protectedHeader] = [
    Buffer.alloc(32, 7),
    randomBytes(12),
    encode({ alg: 'dir', enc: 'A256GCM' }),
  ]
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(protectedHeader))
  const text = Buffer.concat([cipher.update(user.token), cipher.final()]).toString('base64url')
  return [
    protectedHeader,
    '',
    encode(iv.toString('latin1')),
    text,
    cipher.getAuthTag().toString('base64url'),
  ].join('.')
}
const flip = (part: string) => part.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'))

/** Every row is a token that must open nothing. */
const attacks: Record<string, string> = {
  // none, in every spelling (RFC 8725, section 2.1)
  'alg none': unsigned('none'),
  'alg None': unsigned('None'),
  'alg NONE': unsigned('NONE'),
  'alg nOnE': unsigned('nOnE'),
  'alg none, padded': unsigned('none '),
  'alg none, the signature kept': `${unsigned('none')}${signature}`,
  'alg none, without the last dot': unsigned('none').slice(0, -1),
  'alg empty': unsigned(''),
  'alg null': unsigned(null),
  'alg absent': unsigned(undefined),
  'alg absent, but signed': withHeader({ alg: undefined }),
  'alg a list': withHeader({ alg: ['HS256'] }),
  'alg a number': withHeader({ alg: 256 }),
  'alg an object': withHeader({ alg: {} }),
  // algorithm confusion (RFC 8725, section 3.1)
  'HS384 with the secret': sign({ ...head, alg: 'HS384' }, claims, testing.JWT_SECRET, 'sha384'),
  'HS512 with the secret': sign({ ...head, alg: 'HS512' }, claims, testing.JWT_SECRET, 'sha512'),
  'alg hs256': withHeader({ alg: 'hs256' }),
  'RS256 with a key of the attacker': asymmetric('RS256', rsa.privateKey),
  'PS256 claimed over RS256': asymmetric('PS256', rsa.privateKey),
  'ES256 with a key of the attacker': asymmetric('ES256', ec.privateKey),
  'HS256 with a public key as the secret': sign(head, claims, publicPem),
  'HS256 with an empty secret': sign(head, claims, ''),
  'HS256 with a well-known secret': sign(head, claims, 'secret'),
  'HS256 with the previous secret, which is not configured': sign(head, claims, 'x'.repeat(40)),
  'HS256 claimed, SHA-512 computed': sign(head, claims, testing.JWT_SECRET, 'sha512'),
  // stripped, cut and swapped parts
  'no signature': `${header}.${payload}.`,
  'no signature and no dot': `${header}.${payload}`,
  'no header': `.${payload}.${signature}`,
  'no claims': `${header}..${signature}`,
  'header alone': header,
  'dots alone': '..',
  'a fourth part': `${user.token}.${signature}`,
  'signature cut': user.token.slice(0, -1),
  'signature changed': `${header}.${payload}.${flip(signature.slice(0, -1))}${signature.slice(-1)}`,
  'signature doubled': `${user.token}${signature}`,
  'signature of nothing': `${header}.${payload}.${mac('')}`,
  'signature of the claims alone': `${header}.${payload}.${mac(payload)}`,
  'header and claims swapped': `${payload}.${header}.${mac(`${payload}.${header}`)}`,
  'claims of another signature': `${header}.${encode({ ...claims, sub: claims.sid })}.${signature}`,
  'scopes added after signing': `${header}.${encode({ ...claims, scope: `${claims.scope} root` })}.${signature}`,
  'padded base64': `${header}=.${payload}=.${signature}=`,
  'base64, not base64url': `${header}.${payload}.${Buffer.from(signature, 'base64url').toString('base64')}=`,
  'line breaks': user.token.replaceAll('.', '.%0A'),
  'NUL, escaped': `${user.token}%00`,
  // kid, jwk, jku, x5u, x5c, crit (RFC 8725, section 3.10; RFC 7515, section 4.1.11)
  'kid with a path': withHeader({ kid: '../../../../dev/null' }),
  'kid with SQL': withHeader({ kid: "' union select 'secret' --" }),
  'kid with a command': withHeader({ kid: '|id' }),
  'kid of /dev/null, signed with nothing': sign({ ...head, kid: '/dev/null' }, claims, ''),
  'jwk of the attacker': asymmetric('RS256', rsa.privateKey, { jwk }),
  'jwk, signed with the secret': withHeader({ jwk }),
  'jwk, symmetric': sign({ ...head, jwk: { kty: 'oct', k: encode('mine') } }, claims, 'mine'),
  'jku of the attacker': asymmetric('RS256', rsa.privateKey, { jku: 'http://127.0.0.1:1/jwks.json' }),
  'x5u of the attacker': asymmetric('RS256', rsa.privateKey, { x5u: 'http://127.0.0.1:1/cert.pem' }),
  'x5c of the attacker': asymmetric('RS256', rsa.privateKey, { x5c: [encode(publicPem)] }),
  'crit unknown': withHeader({ crit: ['exp'], exp: claims.exp }),
  'crit empty': withHeader({ crit: [] }),
  'crit b64': withHeader({ crit: ['b64'], b64: false }),
  zip: withHeader({ zip: 'DEF' }),
  'cty JWT': withHeader({ cty: 'JWT' }),
  // typ (RFC 9068, section 4)
  'typ JWT': withHeader({ typ: 'JWT' }),
  'typ absent': withHeader({ typ: undefined }),
  'typ of an ID token': withHeader({ typ: 'id+jwt' }),
  'typ a number': withHeader({ typ: 1 }),
  // not JSON, not objects
  'header not JSON': sign('{"alg":"HS256"', claims),
  'header a string': sign('"HS256"', claims),
  'header a list': sign([head], claims),
  'header null': sign('null', claims),
  'header empty': sign('', claims),
  'claims not JSON': sign(head, '{"sub":'),
  'claims a string': sign(head, '"text"'),
  'claims a list': sign(head, [claims]),
  'claims null': sign(head, 'null'),
  'claims a number': sign(head, '1'),
  'claims empty': sign(head, ''),
  'claims not UTF-8': `${header}.${Buffer.from([0xff, 0xfe]).toString('base64url')}.${mac(`${header}.__4`)}`,
  'claims from a prototype': sign(head, '{"__proto__":{"sub":"x"}}'),
  'deeply nested claims': sign(head, `${'['.repeat(500)}${']'.repeat(500)}`),
  // other tokens in the place of this one
  'a refresh token': user.refreshToken,
  'a refresh token with the prefix of a personal one': user.refreshToken.replace('todo_rt_', 'todo_pat_'),
  'a personal token with the prefix of a refresh token': writeToken(
    'access',
    user.id,
    createSecret(),
  ).replace('pat', 'rt'),
  'a prefix alone': 'todo_pat_',
  JWE: encrypted(),
  'JSON serialisation': JSON.stringify({ protected: header, payload, signature }).replaceAll(' ', ''),
  'JSON serialisation, encoded': encode({ protected: header, payload, signature }),
  'a JWT inside a JWT': sign({ ...head, cty: 'JWT' }, user.token),
  // oversized
  'two megabytes would be cut by the parser; ten kilobytes are not': 'a'.repeat(10_000),
  'ten kilobytes of dots': '.'.repeat(10_000),
  'ten kilobytes, well signed': withClaims({ more: 'x'.repeat(7_000) }),
  // time
  'not yet valid': withClaims({ nbf: now + 60 }),
  'made in the future': withClaims({ iat: now + 60 }),
  'nbf as text': withClaims({ nbf: String(now) }),
}
const wrong: Record<string, unknown[]> = {
  iss: ['other', '', ['todo-api'], null, 1, {}],
  aud: ['other', '', ['other'], ['todo-api'], null, 1],
  sub: ['', 'me', "' or 1=1 --", `${claims.sub}\u0000`, 1, null, [claims.sub]],
  sid: ['', 'x', 1, null, [claims.sid]],
  session_secret: ['', 'x', 1, null, [claims.session_secret], `${claims.session_secret}A`],
  jti: ['', 1, null, {}],
  scope: [1, null, ['todos:read'], {}],
  iat: ['1', null, 1.5, {}, 1e300],
  exp: [String(claims.exp), null, claims.exp + 0.5, {}, [claims.exp], true],
}
for (const [name, values] of Object.entries(wrong)) {
  attacks[`${name} absent`] = without(name)
  for (const value of values) attacks[`${name} = ${JSON.stringify(value)}`] = withClaims({ [name]: value })
}

const ask = (authorization: string) => app.inject({ url: '/todos', headers: { authorization } })

t.test('takes a token that is like its own', async (t) => {
  for (const token of [
    user.token,
    sign(head, claims),
    withClaims({ nbf: now }),
    withClaims({ iat: now + 4 }),
  ])
    t.equal((await ask(`Bearer ${token}`)).statusCode, 200)
})

t.test(`refuses ${Object.keys(attacks).length} others with 401 and the challenge of RFC 6750`, async (t) => {
  t.ok(Object.keys(attacks).length >= 60)
  for (const [name, token] of Object.entries(attacks)) {
    const answer = await ask(`Bearer ${token}`)
    t.equal(answer.statusCode, 401, name)
    t.equal(answer.json().code, 'invalid_token', name)
    t.equal(
      answer.headers['www-authenticate'],
      'Bearer realm="todo", error="invalid_token", error_description="Invalid token"',
    )
  }
})

t.test('refuses an expired one, without any tolerance', async (t) => {
  for (const exp of [now, now - 1, 0, -1]) {
    const answer = await ask(`Bearer ${withClaims({ exp })}`)
    problem(t, answer, 401, 'expired_token')
    t.match(
      answer.headers['www-authenticate'],
      /error="invalid_token", error_description="The token has expired"/,
    )
  }
})

t.test('refuses schemes and headers that are not one bearer token', async (t) => {
  for (const authorization of ['', 'Basic YTpi', user.token, `JWT ${user.token}`, `Bearer:${user.token}`])
    problem(t, await ask(authorization), 401, 'missing_token')
  for (const authorization of [
    'Bearer',
    `Bearer  ${user.token}`,
    `Bearer ${user.token} x`,
    `Bearer ${user.token},x`,
  ])
    problem(t, await ask(authorization), 401, 'invalid_token')
})

t.test('refuses two Authorization headers, and headers beyond the limit', async (t) => {
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const send = (authorization: string[]) =>
    new Promise<number | undefined>((resolve, reject) => {
      const headers = authorization.flatMap((value) => ['Authorization', value])
      const sent = request(
        { port, path: '/todos', headers: ['Host', 'x', ...headers] as never },
        (answer) => {
          answer.resume()
          resolve(answer.statusCode)
        },
      )
      sent.on('error', reject).end()
    })
  t.equal(await send([`Bearer ${user.token}`]), 200)
  t.equal(await send([`Bearer ${user.token}`, `Bearer ${user.token}`]), 401)
  t.equal(await send([`Bearer ${user.token}`, 'Basic YTpi']), 401)
  t.equal(await send([`Bearer ${'a'.repeat(20_000)}`]), 431)
})

t.test('takes the previous secret while it is being changed, and no one is logged out', async (t) => {
  const secrets = {
    JWT_SECRET: 'the-next-secret-the-next-secret-the-next',
    JWT_SECRET_PREVIOUS: testing.JWT_SECRET,
  }
  const changing = await createApp(t, database, secrets)
  const changed = await createApp(t, database, { JWT_SECRET: secrets.JWT_SECRET })
  const authorization = `Bearer ${user.token}`
  t.equal((await changing.inject({ url: '/todos', headers: { authorization } })).statusCode, 200)
  problem(t, await changed.inject({ url: '/todos', headers: { authorization } }), 401, 'invalid_token')
  const payload = { refresh_token: user.refreshToken }
  const { access_token } = (await changing.inject({ method: 'POST', url: '/refresh', payload })).json()
  const next = { authorization: `Bearer ${access_token}` }
  t.equal(
    (await changed.inject({ url: '/todos', headers: next })).statusCode,
    200,
    'new ones have the new secret',
  )
  const forged = { authorization: `Bearer ${sign(head, claims, 'y'.repeat(40))}` }
  problem(t, await changing.inject({ url: '/todos', headers: forged }), 401, 'invalid_token')
})

t.test(
  'accepts no token for having accepted another with the same claims or the same signature',
  async (t) => {
    t.match(app.readAccessToken(user.token, []), { user_id: claims.sub })
    for (const other of [
      `${header}.${payload}.${flip(signature)}`,
      `${header}.${flip(payload)}.${signature}`,
    ])
      t.throws(() => app.readAccessToken(other, []), { code: 'invalid_token' })
  },
)

t.test('ends a token that it remembers at its expiry, and reads more tokens than it remembers', async (t) => {
  let time = Date.now()
  const own = await createApp(t, database, {}, { now: () => time })
  const session = { user_id: claims.sub, id: claims.sid, secret: Buffer.alloc(16, 7) }
  const tokens = Array.from({ length: 1002 }, () => own.signAccessToken(session, ['todos:read']))
  for (const token of [...tokens, ...tokens.slice(0, 2)])
    if (!own.readAccessToken(token, ['todos:read']).secret.equals(session.secret)) t.fail(token)
  t.throws(() => own.readAccessToken(`${tokens[0]}`, ['todos:write']), { code: 'insufficient_scope' })
  time += 901_000
  for (const token of [tokens[0], tokens[1001], tokens[0]])
    t.throws(() => own.readAccessToken(`${token}`, ['todos:read']), { code: 'expired_token' })
})
