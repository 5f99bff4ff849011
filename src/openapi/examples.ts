import { ApiError, invalidMember, invalidParameter, type ProblemCode, problemCodes } from '../http/errors.ts'
import { toProblem } from '../http/problems.ts'
import { Id } from '../http/schemas.ts'

export interface Schema {
  $ref?: string
  const?: unknown
  default?: unknown
  enum?: unknown[]
  examples?: unknown[]
  items?: Schema
  anyOf?: Schema[]
  oneOf?: Schema[]
  properties?: Record<string, Schema>
}
type Named = Record<string, Schema>
interface Media {
  schema: Schema
  example?: unknown
}
export interface Body {
  content?: Record<string, Media>
}
interface Operation {
  requestBody?: Body
  responses: Record<string, Body>
}

/** Gives each body of an operation, in place, an example made of those of its members. */
export function addExamples(path: string, operation: Operation, named: Named): void {
  const bodies = [operation.requestBody, ...Object.values(operation.responses)]
  for (const { content = {} } of bodies.filter((body) => body !== undefined))
    for (const media of Object.values(content)) media.example = exampleOf(media.schema, named)
  for (const [status, { content }] of Object.entries(operation.responses)) {
    const media = content?.['application/problem+json']
    if (media) media.example = exampleProblem(path, Number(status), !!operation.requestBody)
  }
}

function exampleOf(schema: Schema, named: Named): unknown {
  const { $ref, examples, enum: values, items, properties } = schema
  const [first] = schema.oneOf ?? schema.anyOf ?? []
  if ($ref) return exampleOf(named[$ref.replace(/.*\//, '')] as Schema, named)
  if (examples) return examples[0]
  if (values) return values[0]
  if (first) return exampleOf(first, named)
  if (items) return [exampleOf(items, named)]
  if (!properties) return schema.const ?? schema.default
  return Object.fromEntries(
    Object.entries(properties).map(([name, member]) => [name, exampleOf(member, named)]),
  )
}

/** Where another problem than the first of its status is meant. */
const meant: Record<string, ProblemCode> = {
  '/login 401': 'invalid_credentials',
  '/refresh 401': 'invalid_token',
  '/todos 409': 'request_in_progress',
  '/todos/{id} 409': 'request_in_progress',
  '/todos/batch 409': 'request_in_progress',
}
const unknown = ['unknown_member', 'is not recognised'] as const

function exampleProblem(path: string, status: number, hasBody: boolean) {
  const known = problemCodes.map((code) => new ApiError(code)).find((error) => error.statusCode === status)
  const code = meant[`${path} ${status}`]
  const invalid = hasBody ? invalidMember('/colour', ...unknown) : invalidParameter('colour', ...unknown)
  const error = status === 400 ? invalid : code ? new ApiError(code) : known
  const url = path.replace('{id}', `${Id.examples[0]}`)
  return toProblem(error as ApiError, { url, id: '01a20986-6f0e-73f5-a3ae-22a9c8f15d26' })
}
