import { ApiError } from '../http/errors.ts'
import type { Scope } from '../http/schemas.ts'
import { addExample, type Body, exampleProblem } from './examples.ts'
import { findCodes } from './operation-errors.ts'

interface Response extends Body {
  headers?: Record<string, unknown>
}
interface Parameter {
  name: string
  in: string
  required?: boolean
  example?: unknown
  schema: { examples?: unknown[] }
}
interface Operation {
  description?: string
  security?: { bearer: Scope[] }[]
  parameters?: Parameter[]
  requestBody?: Body & { required?: boolean }
  'x-optional-body'?: true
  responses: Record<string, Response>
}
interface Schema {
  title?: string
  description?: string
  discriminator?: { propertyName: string; mapping?: Record<string, string> }
  oneOf: { $ref: string }[]
  properties: Record<string, { enum: string[] }>
}
interface Document {
  servers: { url: string }[]
  components: { headers?: Record<string, unknown>; schemas: Record<string, Schema> }
  paths: Record<string, Record<string, Operation>>
}

const header = (description: string, example: string, maxLength = 200) => ({
  description,
  schema: { type: 'string', maxLength, examples: [example] },
})
const headers = {
  'X-Request-Id': header('Names this request in the log: the one that was sent, or a new one.', 'req-1', 100),
  RateLimit: header('What is left of each limit (draft-ietf-httpapi-ratelimit-headers).', '"api";r=999;t=60'),
  'RateLimit-Policy': header('The limits: quota and window in seconds.', '"api";q=1000;w=60'),
  'Retry-After': header('The number of seconds to wait before a retry.', '42', 10),
  Accept: header('The media types that are supported (RFC 9110, section 15.5.16).', 'application/json'),
  'Accept-Patch': header('The same for PATCH (RFC 5789, section 3.1).', 'application/merge-patch+json'),
  'Accept-Encoding': header('The content codings that are supported.', 'identity'),
  'WWW-Authenticate': header('The challenge (RFC 6750, section 3).', 'Bearer realm="todo"'),
}
const everywhere = ['X-Request-Id', 'RateLimit', 'RateLimit-Policy'] as const
const sometimes: Record<string, readonly (keyof typeof headers)[]> = {
  401: ['WWW-Authenticate'],
  403: ['WWW-Authenticate'],
  409: ['Retry-After'],
  415: ['Accept', 'Accept-Patch', 'Accept-Encoding'],
  429: ['Retry-After'],
  503: ['Retry-After'],
}

/** Adds to the document, in place, what holds for every operation, so that no route need repeat it. */
export function completeDocument<T extends object>(document: T): T {
  const { components, paths, servers } = document as unknown as Document
  const basePath = `${servers[0]?.url}`.replace(/^\/$/, '')
  components.headers = headers
  for (const [path, operations] of Object.entries(paths))
    for (const [method, operation] of Object.entries(operations)) {
      nameScopes(operation)
      if (operation.requestBody) {
        operation.requestBody.required = !operation['x-optional-body']
        addExample(operation.requestBody, components.schemas)
      }
      delete operation['x-optional-body']
      // They have no content, which @fastify/swagger adds to whatever has a description alone.
      for (const status of [302, 304]) delete operation.responses[status]?.content
      for (const parameter of operation.parameters ?? [])
        if (parameter.in === 'header' || method === 'get' || parameter.name === 'id') holdBack(parameter)
      for (const [status, response] of Object.entries(operation.responses)) {
        if (Number(status) >= 400) {
          const known = { hasBody: !!operation.requestBody, scopes: operation.security?.[0]?.bearer ?? [] }
          const codes = findCodes(method, path, Number(status), operation)
          const media = response.content?.['application/problem+json']
          const examples = codes.map((code) => {
            const value = exampleProblem(code, path, known, basePath)
            return [code, { summary: value.title, value }]
          })
          if (media) media.examples = Object.fromEntries(examples)
          response.description = codes
            .map((code) => `[\`${code}\`](${basePath}/problems/${code}): ${new ApiError(code).message}.`)
            .join('\n\n')
        } else {
          response.description = describe(response, components.schemas)
          addExample(response, components.schemas)
        }
        const names = [...everywhere, ...(sometimes[status] ?? [])]
        const shared = names.map((name) => [name, { $ref: `#/components/headers/${name}` }])
        response.headers = { ...response.headers, ...Object.fromEntries(shared) }
      }
    }
  for (const { discriminator, oneOf } of Object.values(components.schemas))
    if (discriminator) discriminator.mapping = mapKinds(components.schemas, discriminator.propertyName, oneOf)
  return document
}

/** Viewers do not show the scopes of a bearer token. */
function nameScopes(operation: Operation): void {
  operation.security ??= []
  const [required] = operation.security
  if (!required) return
  const needed = required.bearer.map((scope) => `the scope \`${scope}\``).join(' and ') || 'any token'
  operation.description = `${operation.description} Requires ${needed}.`
}

/** The description of a success: its own, or that of the schema of its body. */
function describe(response: Response, schemas: Document['components']['schemas']): string {
  if (response.description !== 'Default Response') return `${response.description}`
  const [media] = Object.values({ ...response.content })
  const name = `${media?.schema.$ref}`.replace(/.*\//, '')
  return schemas[name]?.description ?? `The request succeeded. The body is a ${name}.`
}

/**
 * An explorer fills in a parameter's own example, and sends it: conditions, keys and filters, which are not all meant
 * at once, and the ID of a todo that does not exist. Their examples move to where they are only read. A deletion needs
 * its filter, which stays.
 */
function holdBack(parameter: Parameter): void {
  if ((parameter.required && parameter.name !== 'id') || parameter.example === undefined) return
  parameter.schema.examples = [parameter.example]
  delete parameter.example
}

/** From each value of the property to the schema that is meant by it: a validator finds that by itself, a reader does not. */
function mapKinds(schemas: Document['components']['schemas'], property: string, kinds: Schema['oneOf']) {
  const named = kinds.map(({ $ref }) => {
    const name = $ref.replace(/.*\//, '')
    const schema = schemas[name] as Schema
    schema.title = name
    return [schema.properties[property]?.enum[0], $ref]
  })
  return Object.fromEntries(named)
}
