import type { FaultCode } from './fault-codes.ts'
import { describe, findTextFault, matchesType, type Schema } from './validation-formats.ts'

/** A fault of one member of a request. */
export interface Fault {
  path: readonly (string | number)[]
  /** A stable code for programs. */
  code: FaultCode
  message: string
}

/** Faults that one response lists. */
const MAX_FAULTS = 20
/** Values and members that are examined, so that the work does not grow with the body. */
const MAX_STEPS = 10_000

type Members = Record<string, unknown>
type Path = readonly (string | number)[]

/**
 * Explains why a schema rejects a value. It walks both together, stops after {@link MAX_FAULTS} faults or
 * {@link MAX_STEPS} values, and supports the keywords that request schemas use; see test/http/validation.test.ts.
 * @param resolve returns the schema for a `$ref`
 * @returns one fault per invalid member; empty when the keyword is not supported or the limits are exceeded
 */
export function findFaults(schema: Schema, value: unknown, resolve: (ref: string) => Schema): Fault[] {
  let steps = 0
  const isSpent = () => ++steps > MAX_STEPS

  function* walk(given: Schema, value: unknown, path: Path): Generator<Fault> {
    if (isSpent()) return
    const schema = given.$ref === undefined ? given : resolve(given.$ref)
    const fault = (code: FaultCode, message: string): Fault => ({ path, code, message })
    if (!matchesType(schema, value)) yield fault('wrong_type', describe(schema))
    else if (schema.oneOf) yield* walkKind(schema, value as Members, path)
    else if (schema.enum && !schema.enum.includes(value)) yield fault('not_one_of', describe(schema))
    else if ('const' in schema && schema.const !== value) yield fault('not_one_of', describe(schema))
    else if (typeof value === 'string') {
      const found = findTextFault(schema, value)
      if (found) yield fault(...found)
    } else if (typeof value === 'number') {
      const { minimum = -Infinity, maximum = Infinity } = schema
      if (value < minimum || value > maximum) yield fault('out_of_range', describe(schema))
    } else if (Array.isArray(value)) yield* walkItems(schema, value, path)
    else if (schema.properties) yield* walkMembers(schema, value as Members, path)
  }

  /** An object with a discriminator: only the schema that it selects is compared. */
  function* walkKind({ oneOf = [], discriminator }: Schema, value: Members, path: Path): Generator<Fault> {
    const name = `${discriminator?.propertyName}`
    const kinds = oneOf.map(({ $ref }) => resolve(`${$ref}`))
    const tagOf = ({ properties }: Schema) => properties?.[name]?.const
    const kind = kinds.find((schema) => tagOf(schema) === value[name])
    if (kind) yield* walk(kind, value, path)
    else if (!Object.hasOwn(value, name)) yield { path: [...path, name], code: 'required', message: REQUIRED }
    else {
      const message = describe({ enum: kinds.map(tagOf) })
      yield { path: [...path, name], code: 'not_one_of', message }
    }
  }

  function* walkItems(schema: Schema, value: readonly unknown[], path: Path): Generator<Fault> {
    const { items, minItems = 0, maxItems = Infinity, uniqueItems } = schema
    const message = describe(schema)
    // The items of an array that is too long are not examined.
    if (value.length > maxItems) yield { path, code: 'too_many_items', message }
    else if (value.length < minItems) yield { path, code: 'too_few_items', message }
    else {
      for (const [index, item] of value.entries()) yield* walk(items as Schema, item, [...path, index])
      if (uniqueItems && new Set(value).size < value.length)
        yield { path, code: 'not_unique', message: 'must not contain an item twice' }
    }
  }

  function* walkMembers(schema: Schema, value: Members, path: Path): Generator<Fault> {
    const { properties = {}, required = [], additionalProperties } = schema
    for (const [name, member] of Object.entries(properties)) {
      const at = [...path, name]
      if (Object.hasOwn(value, name)) yield* walk(member, value[name], at)
      else if (required.includes(name)) yield { path: at, code: 'required', message: REQUIRED }
    }
    if (additionalProperties !== false) return
    const names = Object.keys(properties)
    const allowed = names.length > 0 ? `; allowed: ${names.join(', ')}` : ''
    for (const name of Object.keys(value)) {
      if (!Object.hasOwn(properties, name))
        yield { path: [...path, name], code: 'unknown_member', message: `is not recognised${allowed}` }
    }
  }

  const faults: Fault[] = []
  for (const fault of walk(schema, value, [])) if (faults.push(fault) === MAX_FAULTS) break
  return faults
}

const REQUIRED = 'is required'
