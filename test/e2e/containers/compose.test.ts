import { readFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import t from 'tap'
import { loadConfig } from '../../../src/config.ts'
import { readCompose, secrets } from './compose.ts'

const { services, configs } = readCompose(secrets)
const plain = Object.entries(services).filter(([, { profiles }]) => !profiles)

t.test('is a compose file by the schema of the compose specification', async (t) => {
  // A linter brings it. It names its own schema and formats in ways that Ajv does not know.
  const ajv = new Ajv({ strict: false, allErrors: true, validateSchema: false, validateFormats: false })
  const validate = ajv.compile(
    JSON.parse(readFileSync('node_modules/dclint/schemas/compose.schema.json', 'utf8')),
  )
  t.ok(validate(readCompose(secrets)), ajv.errorsText(validate.errors))
  const misspelt = readCompose(secrets)
  Object.assign(misspelt.services.api ?? {}, { read_olny: true })
  t.notOk(validate(misspelt))
})

t.test('demands its four secrets, and says which one is missing', async (t) => {
  for (const name of Object.keys(secrets))
    t.throws(() => readCompose({ ...secrets, [name]: '' }), { message: new RegExp(`^set ${name}, `) })
})

t.test('runs database, migrations and API without a profile, and none of them needs one', async (t) => {
  const names = plain.map(([name]) => name)
  t.same(names, ['db', 'migrate', 'api'])
  for (const [name, { depends_on = {} }] of plain)
    for (const other of Object.keys(depends_on)) t.ok(names.includes(other), `${name} needs ${other}`)
})

t.test('gives containers nothing to write on, no capabilities, and ports on loopback alone', async (t) => {
  for (const [name, service] of Object.entries(services)) {
    for (const port of service.ports ?? []) t.match(port, /^127\.0\.0\.1:/, name)
    for (const { source } of service.configs ?? []) t.ok(source in configs, `${name} has ${source}`)
    for (const other of Object.keys(service.depends_on ?? {})) t.ok(other in services, `${name} has ${other}`)
    // PostgreSQL's own image starts as root, to hand its volume over.
    if (name === 'db') continue
    const hardened = { read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] }
    t.match(service, hardened, name)
  }
})

t.test('configures the API in terms that it knows', async (t) => {
  for (const name of ['api', 'replica']) {
    const { PGPASSWORD, ...environment } = services[name]?.environment ?? {}
    t.equal(PGPASSWORD, secrets.LOGIN_PASSWORD)
    const config = loadConfig({ ...environment, NODE_ENV: 'production' })
    for (const variable of Object.keys(environment)) t.ok(variable in config, variable)
  }
})

t.test('passes on every variable, apart from those that it sets itself', async (t) => {
  const own = ['NODE_ENV', 'HOST', 'PORT', 'DATABASE_URL', 'DATA_DIR', 'ADMIN_PORT', 'ADMIN_HOST']
  const names = Object.keys(loadConfig({ ...services.api?.environment })).filter(
    (name) => !own.includes(name),
  )
  const given = Object.fromEntries(names.map((name) => [name, `given-${name}`]))
  const { api, replica } = readCompose({ ...secrets, ...given }).services
  for (const name of names) {
    t.equal(api?.environment?.[name], given[name])
    if (!['REDIS_URL', 'TRUST_PROXY'].includes(name)) t.equal(replica?.environment?.[name], given[name])
  }
  const example = readFileSync('.env.example', 'utf8')
  const text = readFileSync('compose.yaml', 'utf8')
  for (const [, name] of text.matchAll(/\$\{(\w+):/g)) t.match(example, `#${name}=`)
})

t.test('serves metrics in its network once there is a token for them', async (t) => {
  for (const name of ['api', 'replica']) {
    t.equal(loadConfig({ ...services[name]?.environment }).ADMIN_PORT, 0)
    const ADMIN_TOKEN = 'x'.repeat(32)
    const { environment, ports } = readCompose({ ...secrets, ADMIN_TOKEN }).services[name] ?? {}
    const expected = { ADMIN_PORT: 9464, ADMIN_HOST: '0.0.0.0', ADMIN_TOKEN }
    t.match(loadConfig({ ...environment }), expected)
    t.notMatch(`${ports}`, '9464', 'and not beyond it')
  }
})

t.test('bounds statements behind PgBouncer as the API does on a connection of its own', async (t) => {
  const config = loadConfig({ ...services.replica?.environment })
  const query = /connect_query='(.*)'/.exec(configs.pgbouncer?.content ?? '')?.[1]
  const { STATEMENT_TIMEOUT_MS, LOCK_TIMEOUT_MS, IDLE_TIMEOUT_MS } = config
  t.equal(
    query,
    `set statement_timeout = ${STATEMENT_TIMEOUT_MS}; set lock_timeout = ${LOCK_TIMEOUT_MS}; ` +
      `set idle_in_transaction_session_timeout = ${IDLE_TIMEOUT_MS}`,
  )
})

t.test('builds from images that an argument can pin by digest', async (t) => {
  const dockerfile = readFileSync('Dockerfile', 'utf8')
  const bases = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, base]) => base)
  t.equal(bases.length, 3)
  for (const base of bases) t.match(base, /^\$\{(NODE|RUNTIME)_IMAGE\}$/)
})
