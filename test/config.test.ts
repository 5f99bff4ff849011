import { readFileSync } from 'node:fs'
import t from 'tap'
import { loadConfig } from '../src/config.ts'

const minimal = { DATABASE_URL: 'postgres://login@localhost/todo', JWT_SECRET: 'x'.repeat(32) }

t.test('fills in defaults, converts, and freezes', async (t) => {
  const config = loadConfig({ ...minimal, PORT: '9000', DATABASE_PREPARE: 'false', HOST: '', UNRELATED: 'x' })
  t.match(config, {
    PORT: 9000,
    HOST: '0.0.0.0',
    DATABASE_PREPARE: false,
    BCRYPT_COST: 12,
    RATE_LIMIT_LOGIN: 10,
  })
  t.same(config.TRUST_PROXY, [])
  t.notOk('UNRELATED' in config)
  t.ok(Object.isFrozen(config))
})

t.test('serves metrics beyond this machine only with a token', async (t) => {
  const ADMIN_TOKEN = 'x'.repeat(32)
  t.match(loadConfig({ ...minimal, ADMIN_PORT: '9464', ADMIN_HOST: '::', ADMIN_TOKEN }), { ADMIN_TOKEN })
  for (const ADMIN_HOST of ['127.0.0.2', '::1', 'localhost'])
    t.match(loadConfig({ ...minimal, ADMIN_PORT: '9464', ADMIN_HOST }), { ADMIN_HOST })
  t.match(loadConfig({ ...minimal, ADMIN_HOST: '0.0.0.0' }), { ADMIN_PORT: 0 }, 'not served at all')
})

t.test('takes a list of origins', async (t) => {
  const CORS_ORIGINS = 'https://app.example.com, http://localhost:5173'
  t.same(loadConfig({ ...minimal, CORS_ORIGINS }).CORS_ORIGINS, CORS_ORIGINS.split(', '))
  t.same(loadConfig({ ...minimal, CORS_ORIGINS: '*' }).CORS_ORIGINS, ['*'])
})

t.test('takes a list of header names', async (t) => {
  const CORS_ALLOWED_HEADERS = 'traceparent, X-B3-TraceId,,'
  const config = loadConfig({ ...minimal, CORS_ALLOWED_HEADERS })
  t.same(config.CORS_ALLOWED_HEADERS, ['traceparent', 'X-B3-TraceId'])
})

t.test('takes a list of proxies', async (t) => {
  const { TRUST_PROXY } = loadConfig({ ...minimal, TRUST_PROXY: '10.0.0.0/8, 192.0.2.1,2001:db8::/32' })
  t.same(TRUST_PROXY, ['10.0.0.0/8', '192.0.2.1', '2001:db8::/32'])
})

t.test('ends with one sentence that names the variable and not its value', async (t) => {
  const bad: [Record<string, string>, RegExp][] = [
    [{ DATABASE_URL: '' }, /^DATABASE_URL must be set to/],
    [{ DATABASE_URL: 'mysql://secret@x/y' }, /^DATABASE_URL must be set to/],
    [{ JWT_SECRET: '' }, /^JWT_SECRET must be set to at least 32 bytes/],
    [{ JWT_SECRET: 'secret' }, /^JWT_SECRET must be set to at least 32 bytes/],
    [{ JWT_SECRET_PREVIOUS: 'secret' }, /^JWT_SECRET_PREVIOUS must be at least 32 bytes, or not set\.$/],
    [{ PORT: 'secret' }, /^PORT must be a whole number from 0 to 65535\.$/],
    [{ PORT: '65536' }, /^PORT must be/],
    [{ BCRYPT_COST: '3' }, /^BCRYPT_COST must be a whole number from 4 to 16\.$/],
    [
      { BCRYPT_COST: '9', NODE_ENV: 'production' },
      /^BCRYPT_COST must be at least 10 when NODE_ENV is production\.$/,
    ],
    [{ DATABASE_PREPARE: 'secret' }, /^DATABASE_PREPARE must be true or false\.$/],
    [{ DATABASE_SHARDED: 'secret' }, /^DATABASE_SHARDED must be true or false\.$/],
    [{ LOG_LEVEL: 'secret' }, /^LOG_LEVEL must be one of/],
    [{ CORS_ORIGINS: 'app.example.com' }, /^CORS_ORIGINS must be a comma-separated list of origins/],
    [{ CORS_ORIGINS: 'https://app.example.com/' }, /^CORS_ORIGINS must be/],
    ...['api', '/', '/api/', '//api', '/a//b', '/a b', '/%61', '/a?b', '/..', '/a/./b', 'https://x/api'].map(
      (BASE_PATH): [Record<string, string>, RegExp] => [
        { BASE_PATH },
        /^BASE_PATH must be a path like \/api/,
      ],
    ),
    [{ CORS_ALLOWED_HEADERS: 'trace parent' }, /^CORS_ALLOWED_HEADERS must be a comma-separated list/],
    [{ CORS_ALLOWED_HEADERS: 'x-b3-*' }, /^CORS_ALLOWED_HEADERS must be/],
    [{ CORS_ALLOWED_HEADERS: 'a\r\nb: c' }, /^CORS_ALLOWED_HEADERS must be/],
    [{ SECURITY_CONTACT: 'security@example.com' }, /^SECURITY_CONTACT must be a mailto: or https:/],
    [{ SECURITY_CONTACT: 'mailto:a\nContact: b' }, /^SECURITY_CONTACT must be/],
    [{ ADMIN_TOKEN: 'secret' }, /^ADMIN_TOKEN must be at least 32 printable/],
    [{ ADMIN_PORT: '9464', ADMIN_HOST: '0.0.0.0' }, /^ADMIN_TOKEN must be set when ADMIN_HOST is not a /],
    [{ ADMIN_PORT: '9464', ADMIN_HOST: '127.example.com' }, /^ADMIN_TOKEN must be set when/],
    [{ TRUST_PROXY: 'true' }, /^TRUST_PROXY must be a comma-separated list/],
    [{ TRUST_PROXY: '1' }, /^TRUST_PROXY must be/],
    [{ TRUST_PROXY: '10.0.0.0/33' }, /^TRUST_PROXY must be/],
    [{ TRUST_PROXY: '::1/129' }, /^TRUST_PROXY must be/],
  ]
  for (const [change, sentence] of bad) {
    t.throws(() => loadConfig({ ...minimal, ...change }), { message: sentence }, JSON.stringify(change))
    t.throws(() => loadConfig({ ...minimal, ...change }), { message: /^[^@]*$/ })
  }
})

t.test('has every variable in .env.example, with its default', async (t) => {
  const example = new Map(
    readFileSync('.env.example', 'utf8')
      .split('\n')
      .flatMap((line) =>
        /^#([A-Z_]+)=(.*)$/.exec(line)?.slice(1, 3)
          ? [/^#([A-Z_]+)=(.*)$/.exec(line)?.slice(1, 3) as [string, string]]
          : [],
      ),
  )
  const { NODE_ENV, DATABASE_URL, JWT_SECRET, ...defaults } = loadConfig(minimal)
  for (const name of ['DATABASE_URL', 'MIGRATION_DATABASE_URL', 'JWT_SECRET', 'DATA_DIR'])
    t.ok(example.has(name), name)
  for (const [name, value] of Object.entries(defaults)) t.equal(example.get(name), String(value), name)
})
