// The worst requests that the limits permit: for each route, made from its part of the OpenAPI document.

/** A request, and how it is shown. */
export interface Attack {
  name: string
  method: string
  path: string
  headers?: Record<string, string>
  body?: string
}
interface Schema {
  $ref?: string
  type?: string | string[]
  properties?: Record<string, Schema>
  items?: Schema
  oneOf?: Schema[]
  enum?: unknown[]
  const?: unknown
  examples?: unknown[]
}
interface Operation {
  parameters?: { in: string; name: string }[]
  requestBody?: { content: Record<string, { schema: Schema }> }
}
export interface Document {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema> }
}

/** Bytes: a little less than the limit of a body, and than Node's of a header section with the request line. */
const BODY = 256 * 1024 - 200
const HEADER = 15_000

const fill = (unit: string, size: number) => unit.repeat(Math.max(1, Math.floor(size / unit.length)))
const list = (item: string, size: number) => `[${fill(`${item},`, size).slice(0, -1)}]`
const members = (value: string, size: number) =>
  `{${Array.from({ length: Math.floor(size / (10 + value.length)) }, (_, n) => `"m${n.toString(36)}":${value}`).join()}}`
const nested = (open: string, close: string, size: number) => {
  const depth = Math.max(1, Math.floor(size / (open.length + close.length)))
  return `${open.repeat(depth)}0${close.repeat(depth)}`
}

/** JSON texts of about that size that no schema allows, or that are costly to look at. */
const monsters = (size: number): Record<string, string> => ({
  'array of zeros': list('0', size),
  'array of objects': list('{}', size),
  'array of texts': list('"x"', size),
  'array of arrays': list('[[]]', size),
  'array of dates': list('"2026-12-24T18:00:00Z"', size),
  'many members': members('0', size),
  'many members with objects': members('{"a":[]}', size),
  'one member again and again': `{${fill('"a":0,', size).slice(0, -1)}}`,
  'deep arrays': nested('[', ']', size),
  'deep objects': nested('{"a":', '}', size),
  'deep prototypes': nested('{"a":', '}', size).replace('"a"', '"__proto__"'),
  'text that ends wrong': `"${'x'.repeat(Math.max(1, size))}\\u0000"`,
  'white space': `"${' '.repeat(size)}"`,
  'text of escapes': `"${fill('\\ud83c\\udf31', size)}"`,
  'long name': `{"${'~/'.repeat(size / 2)}":0}`,
  'long integer': '9'.repeat(size),
  'long fraction': `0.${'0'.repeat(size)}1`,
  'email without an end': `"${fill('a.', size)}"`,
  'email with many labels': `"a@${fill('a-', size)}"`,
})

/** Every way to put a monster, or many wrong items, into a value of the schema. */
function* bodies(schema: Schema, document: Document, size: number): Generator<[string, string]> {
  const { $ref, properties, items, oneOf } = schema
  if ($ref) return yield* bodies(document.components.schemas[$ref.replace(/.*\//, '')] ?? {}, document, size)
  yield* Object.entries(monsters(size))
  for (const kind of oneOf ?? []) yield* bodies(kind, document, size)
  for (const [name, member] of Object.entries(properties ?? {})) {
    const others = Object.entries(properties ?? {})
      .filter(([other]) => other !== name)
      .map(([other, { examples, enum: values, const: value }]) => [
        other,
        examples?.[0] ?? values?.[0] ?? value,
      ])
    const rest = JSON.stringify(Object.fromEntries(others)).slice(1)
    for (const [kind, text] of bodies(member, document, size))
      yield [`${name}: ${kind}`, `{"${name}":${text}${rest === '}' ? '' : ','}${rest}`]
  }
  if (items)
    for (const [kind, text] of bodies(items, document, Math.max(1, Math.floor(size / 100) - 200)))
      yield [`100 × ${kind}`, `[${Array(100).fill(text).join()}]`]
}

const units = [
  '"',
  ',',
  ';',
  ' ',
  '\t',
  'a',
  '"a",',
  'W/"",',
  ', ',
  'a/b,',
  '*/*;q=0,',
  'a=b;',
  ';a="',
  '\\"',
  '::,',
  '1.2.3.4,',
  'é',
  '%',
  '../',
]
const names = [
  'accept',
  'accept-encoding',
  'accept-language',
  'content-type',
  'authorization',
  'x-forwarded-for',
  'if-match',
  'if-none-match',
  'if-modified-since',
  'idempotency-key',
  'x-request-id',
  'user-agent',
  'cookie',
  'origin',
  'range',
  'forwarded',
  'access-control-request-headers',
]
function* headers(): Generator<[string, Record<string, string>]> {
  for (const name of names)
    for (const unit of units)
      for (const start of ['', '"', 'application/json;']) {
        const text = start + fill(unit, HEADER)
        yield [`${name}: ${start}${unit}…`, { [name]: name === 'authorization' ? `Bearer ${text}` : text }]
      }
}

function* queries(parameters: string[]): Generator<[string, string]> {
  yield [
    'many parameters',
    Array.from({ length: HEADER / 6 }, (_, n) => `${n.toString(36)}=1`)
      .join('&')
      .slice(0, HEADER),
  ]
  yield ['only separators', fill('&', HEADER)]
  yield ['only equals signs', fill('=', HEADER)]
  yield ['percent signs', fill('%25', HEADER)]
  for (const name of [...parameters, 'unknown', '__proto__']) {
    yield [`${name} again and again`, fill(`${name}=1&`, HEADER)]
    for (const unit of ['9', 'x', '%00', '%F0%9F%8C%B1', '+', '%20', 'a-', '-', '.', 'A.'])
      yield [`${name} of ${unit}…`, `${name}=${fill(unit, HEADER - 100)}`]
  }
}

/** Headers are read in hooks that all routes share, and conditions by the routes that declare them. */
const READING_HEADERS = ['get /health', 'post /login', 'get /todos/{id}', 'patch /todos/{id}']

/** The attacks on one operation; the token is sent along where the attack is not on it. */
export function* attacks(document: Document, method: string, path: string, token: string): Generator<Attack> {
  const { parameters = [], requestBody } = document.paths[path]?.[method] ?? {}
  const url = path.replace(/\{\w+\}/g, '0198f2c4-7d1a-7c3e-9f55-0d6a4f0b1c2d')
  const attack = (name: string, more: Partial<Attack>): Attack => ({
    method: method.toUpperCase(),
    path: url,
    ...more,
    name: `${method.toUpperCase()} ${path}, ${name}`,
    headers: { authorization: `Bearer ${token}`, ...more.headers },
  })
  for (const [type, { schema }] of Object.entries(requestBody?.content ?? {}))
    for (const [name, body] of bodies(schema, document, BODY - 1000))
      if (body.length <= 256 * 1024) yield attack(name, { body, headers: { 'content-type': type } })
  const inQuery = parameters.filter(({ in: place }) => place === 'query').map(({ name }) => name)
  for (const [name, query] of queries(inQuery)) yield attack(name, { path: `${url}?${query}` })
  if (!READING_HEADERS.includes(`${method} ${path}`)) return
  for (const [name, extra] of headers()) yield attack(name, { headers: extra })
}
