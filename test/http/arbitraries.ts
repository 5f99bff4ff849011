import fc, { type Arbitrary } from 'fast-check'

/** The parts of a schema of the OpenAPI document that say which values are allowed. */
export interface Schema {
  $ref?: string
  type?: string | string[]
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  minItems?: number
  maxItems?: number
  minLength?: number
  maxLength?: number
  format?: string
  pattern?: string
  minimum?: number
  maximum?: number
  enum?: unknown[]
  const?: unknown
  oneOf?: Schema[]
}
export interface Operation {
  parameters?: { in: string; name: string; schema: Schema }[]
  requestBody?: { content: Record<string, { schema: Schema }> }
}

/** Values at the boundaries of a schema: most of them allowed, and some just beyond. */
export function arbitraryOf(schema: Schema, named: Record<string, Schema>): Arbitrary<unknown> {
  const { $ref, oneOf, enum: values, type, items, properties, required = [] } = schema
  if ($ref) return arbitraryOf(named[$ref.replace(/.*\//, '')] as Schema, named)
  if (oneOf) return fc.oneof(...oneOf.map((kind) => arbitraryOf(kind, named)))
  if (values) return fc.constantFrom(...values)
  if ('const' in schema) return fc.constant(schema.const)
  const types = [type ?? []].flat()
  if (types.includes('null'))
    return fc.option(arbitraryOf({ ...schema, type: types.filter((name) => name !== 'null') }, named))
  if (types[0] === 'boolean') return fc.boolean()
  if (types[0] === 'integer') return integers(schema)
  if (types[0] === 'array' && items)
    return fc.array(arbitraryOf(items, named), {
      minLength: schema.minItems ?? 0,
      maxLength: Math.min(schema.maxItems ?? 5, 20),
      size: 'max',
    })
  if (types[0] === 'object')
    return fc.record(
      Object.fromEntries(
        Object.entries(properties ?? {}).map(([name, member]) => [name, arbitraryOf(member, named)]),
      ),
      { requiredKeys: required },
    )
  return texts(schema)
}

function integers({ minimum = -(2 ** 31), maximum = 2 ** 31 - 1 }: Schema): Arbitrary<unknown> {
  const edges = [minimum, maximum, minimum, maximum, minimum - 1, maximum + 1, -0, 1e300, 0.5, 2 ** 53]
  return fc.oneof(fc.constantFrom(...edges), fc.integer({ min: minimum, max: maximum }))
}

const two = (most: number) => fc.integer({ min: 0, max: most }).map((n) => `${n}`.padStart(2, '0'))
const dateTimes = fc
  .tuple(
    fc.constantFrom('1899', '1900', '1970', '2026', '2028', '2999', '3000'),
    fc.oneof(fc.tuple(two(13), two(32)), fc.constantFrom(['01', '01'], ['12', '31'], ['02', '29'])),
    fc.oneof(fc.tuple(two(24), two(60), two(60)), fc.constantFrom(['00', '00', '00'], ['23', '59', '59'])),
    fc.constantFrom('', '.1', '.999999', '.000001', '.1234567'),
    fc.oneof(
      fc.constantFrom('Z', 'z', '+00:00', '-00:00', '+14:00', '+15:59', '-15:59', '+16:00', '-16:00', ''),
      fc.tuple(fc.constantFrom('+', '-'), two(24), two(60)).map(([sign, h, m]) => `${sign}${h}:${m}`),
    ),
  )
  .map(
    ([year, day, time, fraction, offset]) => `${year}-${day.join('-')}T${time.join(':')}${fraction}${offset}`,
  )

const uuids = fc.oneof(
  fc.uuid(),
  fc.uuid().map((id) => id.toUpperCase()),
  fc.constantFrom(
    '00000000-0000-0000-0000-000000000000',
    'ffffffff-ffff-ffff-ffff-ffffffffffff',
    '{0198f2c47d1a7c3e9f550d6a4f0b1c2d}',
  ),
)

const characters = [
  'x',
  ' ',
  '\u00a0',
  '\u2003',
  '\u200b',
  '\ufeff',
  'é',
  'e\u0301',
  '牛',
  '🌱',
  '\uffff',
  '\u{10ffff}',
  '\u0001',
  '\u007f',
  '"',
  '\\',
  '{',
  ',',
  '%',
  '\ufdfa',
  '\u1d15f',
]
const odd = ['\0', '\ud800', '\udfff']

function texts({ minLength = 0, maxLength = 300, format }: Schema): Arbitrary<unknown> {
  if (format === 'date-time') return dateTimes
  if (format === 'uuid') return uuids
  if (format === 'email')
    return fc
      .tuple(
        fc.integer({ min: 1, max: 245 }),
        fc.constantFrom('@example.com', '@a.b', '@x', `@${'l'.repeat(64)}.com`),
        fc.uuid(),
      )
      .map(([length, domain, id]) => `${id}${'a'.repeat(length)}`.slice(-length) + domain)
  const lengths = fc.constantFrom(
    minLength,
    maxLength,
    maxLength,
    maxLength + 1,
    Math.max(0, minLength - 1),
    3,
  )
  const whole = fc.tuple(lengths, fc.constantFrom(...characters)).map(([length, text]) => text.repeat(length))
  const mixed = fc
    .tuple(lengths, fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }))
    .map(([length, text]) => [...text.repeat(length)].slice(0, length).join(''))
  const wrong = fc
    .tuple(fc.constantFrom(...odd), fc.boolean())
    .map(([text, first]) => (first ? `${text}a` : `a${text}`))
  return fc.oneof(
    { arbitrary: whole, weight: 3 },
    { arbitrary: mixed, weight: 3 },
    { arbitrary: wrong, weight: 1 },
  )
}

/** How a value is written as a parameter. */
export const asText = (value: unknown): string => String(value)
