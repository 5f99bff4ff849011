import { insufficientScope, invalidMember, invalidParameter, type ProblemCode } from '../http/errors.ts'
import { exampleError } from '../http/problem-guide.ts'
import { toProblem } from '../http/problems.ts'
import { Id, type Scope } from '../http/schemas.ts'

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
  examples?: Record<string, { summary: string; value: unknown }>
}
export interface Body {
  description?: string
  content?: Record<string, Media>
}

/** What an explorer fills in: as little as makes sense, and nothing that overwrites what is stored. */
const requests: Record<string, unknown> = {
  NewTodo: { title: 'Water the plants', tags: ['home'] },
  TodoPatch: { completed: true },
  AccountPatch: { email: 'ada@example.com', current_password: 'correct horse battery' },
}

/** Gives a body, in place, an example made of those of its members. */
export function addExample({ content = {} }: Body, named: Named): void {
  for (const media of Object.values(content)) media.example = exampleOf(media.schema, named)
}

function exampleOf(schema: Schema, named: Named): unknown {
  const { $ref, examples, enum: values, items, properties } = schema
  const [first] = schema.oneOf ?? schema.anyOf ?? []
  if ($ref) {
    const name = $ref.replace(/.*\//, '')
    return requests[name] ?? exampleOf(named[name] as Schema, named)
  }
  if (examples) return examples[0]
  if (values) return values[0]
  if (first) return exampleOf(first, named)
  if (items) return [exampleOf(items, named)]
  return Object.fromEntries(
    Object.entries({ ...properties }).map(([name, member]) => [name, exampleOf(member, named)]),
  )
}

const unknown = ['unknown_member', 'is not recognised'] as const

/** The problem document with this code that an operation returns. */
export function exampleProblem(
  code: ProblemCode,
  path: string,
  { hasBody, scopes }: { hasBody: boolean; scopes: readonly Scope[] },
  basePath: string,
) {
  const invalid = hasBody ? invalidMember('/colour', ...unknown) : invalidParameter('colour', ...unknown)
  const specific: Partial<Record<ProblemCode, ReturnType<typeof exampleError>>> = {
    invalid_request: invalid,
    insufficient_scope: insufficientScope(scopes),
  }
  const error = specific[code] ?? exampleError(code)
  const url = basePath + path.replace('{id}', `${Id.examples[0]}`).replace('{code}', 'unknown')
  return toProblem(error, { url, id: '01a20986-6f0e-73f5-a3ae-22a9c8f15d26' }, basePath)
}
