import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import type { LightMyRequestResponse } from 'fastify'

interface Response {
  headers: Record<string, unknown>
  content?: Record<string, unknown>
}
type Operations = Record<string, { responses: Record<string, Response> }>
const document = JSON.parse(readFileSync('openapi/openapi.json', 'utf8')) as {
  paths: Record<string, Operations>
}

const ajv = new Ajv2020({ strict: false, formats: { password: true, 'idn-email': true } })
addFormats.default(ajv)
ajv.addSchema(document, 'document')

/** Headers of HTTP, of its security and of CORS, which no API document lists. */
const general =
  /^(connection|content-(type|length)|date|keep-alive|transfer-encoding|vary|cache-control|accept-patch|access-control-.*|content-security-policy|cross-origin-.*|origin-agent-cluster|referrer-policy|server-timing|strict-transport-security|x-(content-type|dns|download|frame|permitted|xss).*)$/

const paths = Object.keys(document.paths)
  // The literal path before the one with a parameter.
  .sort((a, b) => Number(a.includes('{')) - Number(b.includes('{')))
  .map((path) => ({ path, pattern: new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}$`) }))

const toPointer = (part: string) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))

/**
 * Holds an answer against the OpenAPI document.
 * @throws {Error} that names what the document does not say: a status, a header, a content type or a body
 */
export function checkAnswer(method: string, url: string, answer: LightMyRequestResponse): void {
  const path = url.replace(/\?.*/, '')
  const known = paths.find(({ pattern }) => pattern.test(path))?.path
  const verb = method.toLowerCase().replace('head', 'get')
  const operation = known === undefined ? undefined : document.paths[known]?.[verb]
  const status = String(answer.statusCode)
  const type = String(answer.headers['content-type'] ?? '').replace(/;.*/, '')
  const fail: (what: string) => never = (what) => {
    throw new Error(`The document does not say this of ${method} ${known}: ${status} ${what}\n${answer.body}`)
  }
  // What is in no document: other paths and methods, the document itself, preflights.
  if (!operation || path.startsWith('/docs')) {
    if (known && status !== '405' && verb !== 'options') fail('for a method that it does not have')
    return
  }
  const response = operation.responses[status]
  if (!response) throw fail('at all')
  const documented = Object.keys(response.headers).map((name) => name.toLowerCase())
  for (const name of Object.keys(answer.headers))
    if (!general.test(name) && !documented.includes(name)) fail(`with the header ${name}`)
  if (answer.body === '') return
  if (!response.content?.[type]) fail(`with ${type}`)
  const place = ['paths', `${known}`, verb, 'responses', status, 'content', type, 'schema']
    .map(toPointer)
    .join('/')
  const validate = ajv.getSchema(`document#/${place}`)
  const isJson = /[/+]json$/.test(type)
  if (!validate?.(isJson ? JSON.parse(answer.body) : answer.body)) fail(ajv.errorsText(validate?.errors))
}
