import { isEmail } from '../credentials/email.ts'
import { isNewPassword } from '../credentials/password-text.ts'
import type { FaultCode } from './fault-codes.ts'
import { NOT_BLANK, PRINTABLE, TEXT } from './schemas.ts'

/** The JSON Schema keywords that request schemas use. */
export interface Schema {
  $id?: string
  $ref?: string
  type?: string | readonly string[]
  properties?: Readonly<Record<string, Schema>>
  required?: readonly string[]
  additionalProperties?: boolean
  items?: Schema
  minItems?: number
  maxItems?: number
  uniqueItems?: boolean
  minLength?: number
  maxLength?: number
  pattern?: string
  format?: string
  minimum?: number
  maximum?: number
  enum?: readonly unknown[]
  const?: unknown
  oneOf?: readonly Schema[]
  discriminator?: { propertyName: string }
  examples?: readonly unknown[]
}

const UUID = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i

/** The code and message of a fault; undefined when there is none. */
type TextFault = [code: FaultCode, message: string] | undefined
interface Form {
  isValid(text: string): boolean
  /** Tells the client the form, with an example. */
  message: string
  /** Limits the values of well-formed texts. */
  range?: { includes(text: string): boolean; message: string }
}
/** The schema formats: how Ajv checks them, and what the client is told. */
export const formats: Readonly<Record<string, Form>> = {
  uuid: {
    isValid: (text) => UUID.test(text),
    message: 'must be a UUID, for example 0198f2c4-7d1a-7c3e-9f55-0d6a4f0b1c2d',
  },
  'idn-email': {
    isValid: isEmail,
    message: 'must be an email address, for example ada@example.com',
  },
  'date-time': {
    isValid: isDateTime,
    message: 'must be a date-time with a UTC offset, for example 2026-12-24T18:00:00+01:00',
    range: { includes: isInYears, message: 'must be in the years 1900 to 2999, in UTC' },
  },
  password: { isValid: isNewPassword, message: 'must have 8 to 128 characters' },
}

// PostgreSQL accepts offsets below 16 hours and stores six decimals.
const DATE_TIME =
  /^(\d{4})-(\d\d)-(\d\d)T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?(?:Z|[+-](?:0\d|1[0-5]):[0-5]\d)$/

/** RFC 3339 without leap seconds. */
function isDateTime(text: string): boolean {
  const [, year = 0, month = 0, day = 0] = DATE_TIME.exec(text)?.map(Number) ?? []
  return month >= 1 && month <= 12 && day >= 1 && day <= new Date(Date.UTC(year, month, 0)).getUTCDate()
}

const FIRST = Date.UTC(1900, 0, 1)
const AFTER_LAST = Date.UTC(3000, 0, 1)
/** In UTC, because the API returns UTC and must accept what it returned. */
function isInYears(text: string): boolean {
  const time = Date.parse(text)
  return time >= FIRST && time < AFTER_LAST
}

const TYPES: Readonly<Record<string, { is(value: unknown): boolean; form: string }>> = {
  string: { is: (value) => typeof value === 'string', form: 'a string' },
  // JSON.parse turns a number that is too large into Infinity, which is out of every range.
  integer: {
    is: (value) => Number.isInteger(value) || value === Infinity || value === -Infinity,
    form: 'a whole number',
  },
  boolean: { is: (value) => typeof value === 'boolean', form: 'true or false' },
  null: { is: (value) => value === null, form: 'null' },
  array: { is: Array.isArray, form: 'an array' },
  object: {
    is: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
    form: 'an object',
  },
}

const typesOf = ({ type }: Schema) => [type ?? []].flat()

/** Whether a value has the type, or one of the types, of its schema. */
export function matchesType(schema: Schema, value: unknown): boolean {
  const types = typesOf(schema)
  return types.length === 0 || types.some((type) => TYPES[type]?.is(value))
}

/** Describes the values that a schema allows, for the client. */
export function describe(schema: Schema): string {
  const { enum: values, minimum, maximum, minItems = 0, maxItems, format } = schema
  if (values) return values.length === 1 ? `must be ${values[0]}` : `must be one of ${values.join(', ')}`
  if ('const' in schema) return `must be ${schema.const}`
  const types = typesOf(schema)
  const orNull = types.includes('null') ? ', or null' : ''
  if (format && formats[format]) return formats[format].message + orNull
  const range = minimum === undefined ? '' : ` from ${minimum} to ${maximum}`
  const size = maxItems === undefined ? '' : ` of ${minItems} to ${maxItems} items`
  return `must be ${TYPES[`${types[0]}`]?.form}${range}${size}${orNull}`
}

export function findTextFault(schema: Schema, text: string): TextFault {
  const { minLength = 0, maxLength = Infinity, pattern, format } = schema
  // A code point has at most two code units: do not count the characters of a text that must be too long.
  const length = text.length > 2 * maxLength ? text.length : [...text].length
  const range = maxLength === Infinity ? `at least ${minLength}` : `${minLength} to ${maxLength}`
  if (length > maxLength) return ['too_long', `must have ${range} characters`]
  const form = format === undefined ? undefined : formats[format]
  if (form?.isValid(text) === false)
    return [format === 'password' ? 'wrong_length' : 'wrong_format', describe(schema)]
  if (length < minLength) return ['too_short', `must have ${range} characters`]
  if (form?.range?.includes(text) === false) return ['out_of_range', form.range.message]
  if (pattern === undefined || new RegExp(pattern, 'u').test(text)) return undefined
  if (pattern === NOT_BLANK && !/\S/.test(text)) return ['blank', 'must contain more than white space']
  if (pattern === NOT_BLANK || pattern === TEXT)
    return ['wrong_character', 'must not contain U+0000 or an unpaired surrogate']
  if (pattern === PRINTABLE) return ['wrong_character', 'must contain only printable ASCII characters']
  return ['wrong_format', form ? describe(schema) : formByExample(schema)]
}

const formByExample = ({ examples: [example] = [] }: Schema) =>
  `has the wrong form${typeof example === 'string' ? `; an example is ${example}` : ''}`
