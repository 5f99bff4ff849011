import { deepEqual, equal } from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import type { Ask } from '../support/app.ts'
import type { Call, Person } from './person.ts'
import type { Draw } from './steps.ts'

// What the tests of every operation do with a resource that has nothing of its own in them: by its example in the
// OpenAPI document they make one, and read and delete it by its id.

interface Operation {
  security?: unknown[]
  requestBody?: { content: Record<string, { example: unknown }> }
}
const { paths } = JSON.parse(readFileSync('openapi/openapi.json', 'utf8')) as {
  paths: Record<string, Record<string, Operation>>
}
const exampleBody = (path: string, method: string) =>
  Object.values(paths[path]?.[method]?.requestBody?.content ?? {})[0]?.example

/** Makes one by a POST to the path without `/{id}`. @returns its id */
export async function createExample(ask: Ask, path: string): Promise<string> {
  const collection = path.replace('/{id}', '')
  const answer = await ask('POST', collection, exampleBody(collection, 'post'))
  equal(answer.statusCode, 201, answer.body)
  return answer.json().id
}

type Step = (me: Person, draw: Draw) => Promise<void>
/** A step for each operation on a resource that none of the known steps asks for. */
export function addSteps(known: Record<string, Step>): Record<string, Step> {
  const added: Record<string, Step> = {}
  for (const [path, operations] of Object.entries(paths))
    for (const method of Object.keys(operations)) {
      const name = `${method.toUpperCase()} ${path}`
      // What needs no token has nothing of a user in it.
      if (operations[method]?.security?.length === 0) continue
      const step = path.endsWith('/{id}') ? itemStep(path, method) : collectionStep(path, method)
      if (!(name in known) && step) added[name] = step
    }
  return { ...known, ...added }
}

function collectionStep(path: string, method: string): Step | undefined {
  if (method === 'get')
    return async (me) => {
      const answer = await me.ask(200, { method: 'GET', url: `${path}?limit=100` })
      const ids = (answer.json().data as { id: string }[]).map(({ id }) => id)
      deepEqual(new Set(ids), new Set(me.others(path).keys()))
    }
  if (method === 'post')
    return async (me) => {
      const made = await me.ask(201, { method: 'POST', url: path, body: exampleBody(path, 'post') })
      me.others(path).set(made.json().id, made.json())
    }
  return undefined
}

function itemStep(path: string, method: string): Step {
  const things = path.replace('/{id}', '') as `/${string}`
  return async (me, { whose, n }) => {
    const call = (id: string): Call => ({
      method: method.toUpperCase() as Call['method'],
      url: `${things}/${id}`,
      ...(method === 'patch' && { body: exampleBody(path, method) }),
    })
    const id = me.own(things, whose, n)
    if (!id) return me.cannotFind(things, n, call)
    const answer = await me.ask(method === 'delete' ? 204 : 200, call(id))
    if (method === 'delete') me.others(things).delete(id)
    else equal(answer.json().id, id)
  }
}
