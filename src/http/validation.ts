import { isDeepStrictEqual } from 'node:util'
import { SerializerSelector } from '@fastify/fast-json-stringify-compiler'
import { Ajv, type ValidateFunction } from 'ajv'
import type { FastifyServerOptions } from 'fastify'
import { ApiError } from './errors.ts'
import { textKeywords } from './text.ts'
import { type Fault, findFaults } from './validation-faults.ts'
import { formats, type Schema } from './validation-formats.ts'

type Part = 'body' | 'querystring' | 'params' | 'headers'
type Values = Record<string, unknown>
type Controller = NonNullable<FastifyServerOptions['schemaController']>

/**
 * Compiles the schemas of one app. Ajv compiles the validators at startup, so an invalid schema prevents the start. It
 * stops at the first fault, so that an array's length is checked before its items; {@link findFaults} then explains a
 * rejected value within bounds.
 */
export function createSchemaController(): Controller {
  const ajv = new Ajv({
    useDefaults: true,
    discriminator: true,
    allowUnionTypes: true,
    // Halves the compile time: one function per named schema instead of a copy for each reference.
    inlineRefs: false,
    code: { optimize: false },
    keywords: textKeywords,
    formats: Object.fromEntries(
      Object.entries(formats).map(([name, { isValid, range }]) => [
        name,
        (text: string) => isValid(text) && range?.includes(text) !== false,
      ]),
    ),
  })
  const known = new Map<string, Schema>()
  const resolve = (ref: string) => known.get(ref) as Schema
  const serializer = SerializerSelector()

  return {
    compilersFactory: {
      buildValidator(shared: unknown) {
        for (const [id, schema] of Object.entries(shared as Record<string, Schema>)) {
          if (!known.has(id)) ajv.addSchema(schema)
          else if (!isDeepStrictEqual(known.get(id), schema))
            throw new Error(`Two different schemas have the id ${id}`)
          known.set(id, schema)
        }
        // Fastify's types only describe a compiler that returns Ajv's functions.
        const build = ({ schema, httpPart }: { schema: Schema; httpPart: Part }) => {
          const validate = ajv.compile(schema)
          return (value: unknown) => {
            if (httpPart === 'querystring' || httpPart === 'params') convert(schema, value as Values)
            if (validate(value)) return true
            const faults = findFaults(schema, value, resolve)
            if (faults.length === 0) faults.push(toFault(validate))
            return { error: toInvalidRequest(httpPart, faults, value as Values) }
          }
        }
        return build as never
      },
      /** Compiles a serializer for the first response that needs it: compiling all takes a third of the startup. */
      buildSerializer(...given: Parameters<typeof serializer>) {
        const build = serializer(...given)
        return (route: Parameters<typeof build>[0]) => {
          let compiled: ReturnType<typeof build> | undefined
          return (value: unknown) => {
            compiled ??= build(route)
            return compiled(value)
          }
        }
      },
    },
  }
}

/** Ajv's first error, for a fault that {@link findFaults} does not know. */
function toFault({ errors }: ValidateFunction): Fault {
  const path = `${errors?.[0]?.instancePath}`.split('/').slice(1)
  return { path, code: 'invalid', message: 'is not valid' }
}

const INTEGER = /^-?(?:0|[1-9]\d*)$/

/**
 * Converts parameters in place: plain decimal integers, `true` and `false`, and a single value of a parameter that may be
 * repeated to an array. Other text stays unchanged.
 */
function convert({ properties = {} }: Schema, values: Values): void {
  for (const [name, { type }] of Object.entries(properties)) {
    const text = values[name]
    if (typeof text !== 'string') continue
    if (type === 'array') values[name] = [text]
    if (type === 'integer' && INTEGER.test(text)) values[name] = Number(text)
    if (type === 'boolean' && (text === 'true' || text === 'false')) values[name] = text === 'true'
  }
}

const names = { body: 'body', querystring: 'query string', params: 'path', headers: 'header section' }

function toInvalidRequest(part: Part, faults: readonly Fault[], values: Values): ApiError {
  const errors = faults.map(({ path, code, message }) => {
    const steps = path.map((step) => shorten(`${step}`))
    if (part === 'body')
      return { pointer: steps.map((step) => `/${escapeStep(step)}`).join(''), code, message }
    const [parameter = ''] = steps
    // The query string repeats the parameter.
    if (code === 'wrong_type' && Array.isArray(values[parameter]))
      return { parameter, code: 'repeated' as const, message: 'must be given only once' }
    return { parameter, code, message }
  })
  return new ApiError('invalid_request', { detail: `The ${names[part]} is invalid: see errors.`, errors })
}

/** RFC 6901, section 3. */
const escapeStep = (step: string) => step.replaceAll('~', '~0').replaceAll('/', '~1')

/** Limits the name of an unknown member, which the client chose. */
const shorten = (name: string) =>
  (name.length > 80 ? `${name.slice(0, 80)}…` : name).replaceAll(/[\0\p{Surrogate}]/gu, '\ufffd')
