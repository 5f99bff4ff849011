import { isDeepStrictEqual } from 'node:util'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import { v7 as uuidv7 } from 'uuid'
import type { Config } from '../config.ts'
import type { Tx } from '../database/transaction.ts'
import {
  ANY_VERSION,
  isModified,
  matchesAny,
  type Precondition,
  toEntityTag,
  toPrecondition,
} from '../http/conditional.ts'
import { unknownContent } from '../http/content.ts'
import { ApiError, firstOrNotFound, notFound } from '../http/errors.ts'
import { BODY, Headers, problems, Ref, TOKEN } from '../http/schemas.ts'
import { createFeature } from './feature.ts'
import { NewTodo, Todo, TodoParams, TodoPatch } from './schema.ts'
import { createTodo, deleteTodo, findTodo, getTodo, updateTodo } from './sql.ts'

/** The user's todos. */
const todos: FastifyPluginAsyncTypebox<{ config: Config }> = async (app, { config }) => {
  for (const schema of [Todo, NewTodo, TodoPatch]) app.addSchema(schema)
  app.addFeature(createFeature(config.MAX_TODOS))
  const tags = ['todos']
  const conditional = { 'if-match': Headers.ifMatch, 'if-none-match': Headers.ifNoneMatch }
  const tagged = (description: string) => ({
    description,
    headers: { etag: Headers.etag },
    content: { 'application/json': { schema: Ref(Todo) } },
  })

  app.post(
    '/todos',
    {
      config: { scope: 'todos:write' },
      schema: {
        operationId: 'createTodo',
        tags,
        summary: 'Create a todo',
        description:
          'Only the title is needed. With `Idempotency-Key` a retry creates nothing more. A user can have 100,000 todos, unless the operator has set another limit.',
        headers: Type.Object({ 'idempotency-key': Headers.idempotencyKey }),
        body: Ref(NewTodo),
        response: {
          201: {
            ...tagged('Created.'),
            headers: {
              etag: Headers.etag,
              location: Headers.location,
              'idempotent-replayed': Headers.replayed,
            },
          },
          ...problems(...BODY, ...TOKEN, 409, 422),
        },
      },
    },
    async (request, reply) => {
      const create = (tx: Tx) => createTodo(tx, uuidv7(), request.body)
      const check = (tx: Tx) => app.checkTodoQuota(tx, request.credential.user_id, 1)
      const todo = firstOrNotFound(await request.withUserOnce(reply, create, 'one', check))
      reply.code(201).headers({ location: `/todos/${todo.id}`, etag: toEntityTag(todo.version) })
      return reply.send(todo)
    },
  )

  app.get(
    '/todos/:id',
    {
      config: { scope: 'todos:read' },
      schema: {
        operationId: 'getTodo',
        tags,
        summary: 'Show a todo',
        description: 'With `If-None-Match` it is sent only when it has changed.',
        headers: Type.Object(conditional),
        params: TodoParams,
        response: {
          200: tagged('The todo.'),
          304: {
            description: 'It is still the one named by If-None-Match.',
            headers: { etag: Headers.etag },
          },
          ...problems(400, ...TOKEN, 404, 412),
        },
      },
    },
    async (request, reply) => {
      const { headers, method, params } = request
      const todo = firstOrNotFound(await request.withUser((tx) => getTodo(tx, params.id)))
      const etag = toEntityTag(todo.version)
      if (!matchesAny(headers['if-match'], etag)) throw new ApiError('precondition_failed')
      const modified = isModified(headers['if-none-match'], etag)
      reply.header('etag', etag)
      if (modified) return reply.send(todo)
      return reply.code(304).send(method === 'HEAD' ? unknownContent() : undefined)
    },
  )

  app.patch(
    '/todos/:id',
    {
      config: { scope: 'todos:write' },
      schema: {
        operationId: 'updateTodo',
        tags,
        summary: 'Change a todo',
        description:
          'A merge patch (RFC 7396): an absent member stays as it is, null clears it. With `If-Match` it is changed only while it is of that version.',
        headers: Type.Object({ ...conditional, 'idempotency-key': Headers.idempotencyKey }),
        params: TodoParams,
        body: Ref(TodoPatch),
        response: {
          200: {
            ...tagged('Changed.'),
            headers: { etag: Headers.etag, 'idempotent-replayed': Headers.replayed },
          },
          ...problems(...BODY, ...TOKEN, 404, 409, 412, 422),
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      const precondition = toPrecondition(request.headers)
      const [todo] = await request.withUserOnce(reply, (tx) => updateTodo(tx, id, request.body, precondition))
      if (!todo) throw await explainMissing(request, id, precondition)
      return reply.header('etag', toEntityTag(todo.version)).send(todo)
    },
  )

  app.delete(
    '/todos/:id',
    {
      config: { scope: 'todos:write' },
      schema: {
        operationId: 'deleteTodo',
        tags,
        summary: 'Delete a todo',
        description: 'It moves to the trash. With `If-Match` it is deleted only while it is of that version.',
        headers: Type.Object(conditional),
        params: TodoParams,
        response: { 204: Type.Null({ description: 'Deleted.' }), ...problems(400, ...TOKEN, 404, 412) },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      const precondition = toPrecondition(request.headers)
      const [gone] = await request.withUser((tx) => deleteTodo(tx, id, precondition, config.TRASH_DAYS))
      if (!gone) throw await explainMissing(request, id, precondition)
      return reply.code(204).send(null)
    },
  )
}
export default todos

/** Why a write found nothing: there is no such todo for this user, or it is of another version. */
async function explainMissing(
  request: FastifyRequest,
  id: string,
  precondition: Precondition,
): Promise<ApiError> {
  if (isDeepStrictEqual(precondition, ANY_VERSION)) return notFound()
  const [todo] = await request.withUser((tx) => findTodo(tx, id))
  return todo ? new ApiError('precondition_failed') : notFound()
}
