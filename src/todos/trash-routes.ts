import { isDeepStrictEqual } from 'node:util'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import type { Config } from '../config.ts'
import type { Tx } from '../database/transaction.ts'
import { ANY_VERSION, type Precondition, toEntityTag, toPrecondition } from '../http/conditional.ts'
import { ApiError, firstOrNotFound, notFound } from '../http/errors.ts'
import { Headers, problems, Ref, TOKEN } from '../http/schemas.ts'
import { createSignedText } from '../http/signed-text.ts'
import { Deleted } from './batch-schema.ts'
import { Todo, TodoParams } from './schema.ts'
import { emptyTrash, findTrashed, listTrash, purgeTodo, restoreTodo } from './trash.ts'
import { EmptyTrashQuery, TrashedTodo, TrashPage, TrashQuery } from './trash-schema.ts'

/** Deleted todos: list, restore, remove for good. */
const trash: FastifyPluginAsyncTypebox<{ config: Config }> = async (app, { config }) => {
  for (const schema of [Todo, TrashedTodo, TrashPage, Deleted]) app.addSchema(schema)
  if (config.DATABASE_SHARDED)
    app.addHook('preHandler', async () => {
      throw new ApiError('not_implemented')
    })
  const cursors = createSignedText(config, 'trash cursor v1')
  const tags = ['todos']
  const conditional = { 'if-match': Headers.ifMatch, 'if-none-match': Headers.ifNoneMatch }

  app.get(
    '/trash',
    {
      config: { scope: 'todos:read' },
      schema: {
        operationId: 'listTrash',
        tags,
        summary: 'List deleted todos, the last deleted first',
        description: 'Each stays until its `expires_at`.',
        querystring: TrashQuery,
        response: { 200: Ref(TrashPage), ...problems(400, ...TOKEN, 501) },
      },
    },
    async (request) => {
      const { user_id } = request.credential
      const { limit, cursor } = request.query
      const place = cursor === undefined ? undefined : readCursor(cursors.read(cursor, user_id))
      const rows = await request.withUser((tx) => listTrash(tx, limit, place))
      const data = rows.slice(0, limit)
      const last = rows.length > limit ? data.at(-1) : undefined
      const next_cursor = last ? cursors.write(`${last.id}:${last.deleted_at}`, user_id) : null
      return { data, limit, has_more: next_cursor !== null, next_cursor }
    },
  )

  app.post(
    '/trash/:id/restore',
    {
      config: { scope: 'todos:write' },
      schema: {
        operationId: 'restoreTodo',
        tags,
        summary: 'Restore a deleted todo',
        description:
          'As it was, with its id; its version grows by one. With `If-Match` only if it was deleted in that version.',
        headers: Type.Object({ ...conditional, 'idempotency-key': Headers.idempotencyKey }),
        params: TodoParams,
        response: {
          200: {
            description: 'Restored.',
            headers: { etag: Headers.etag, 'idempotent-replayed': Headers.replayed },
            content: { 'application/json': { schema: Ref(Todo) } },
          },
          ...problems(400, ...TOKEN, 404, 409, 412, 422, 501),
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      const precondition = toPrecondition(request.headers)
      const restore = (tx: Tx) => restoreTodo(tx, id, precondition)
      const check = (tx: Tx) => app.checkTodoQuota(tx, request.credential.user_id, 1)
      const [todo] = await request.withUserOnce(reply, restore, 'one', check)
      if (!todo) throw await explainMissing(request, id, precondition)
      return reply.header('etag', toEntityTag(todo.version)).send(todo)
    },
  )

  app.delete(
    '/trash/:id',
    {
      config: { scope: 'todos:write' },
      schema: {
        operationId: 'purgeTodo',
        tags,
        summary: 'Remove a deleted todo for good',
        description: 'Cannot be undone. With `If-Match` only if it was deleted in that version.',
        headers: Type.Object(conditional),
        params: TodoParams,
        response: {
          204: Type.Null({ description: 'Removed.' }),
          ...problems(400, ...TOKEN, 404, 412, 501),
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      const precondition = toPrecondition(request.headers)
      const [gone] = await request.withUser((tx) => purgeTodo(tx, id, precondition))
      if (!gone) throw await explainMissing(request, id, precondition)
      return reply.code(204).send(null)
    },
  )

  app.delete(
    '/trash',
    {
      config: { scope: 'todos:write', bulk: true },
      schema: {
        operationId: 'emptyTrash',
        tags,
        summary: 'Empty the trash',
        description: 'Removes every deleted todo for good. Requires `all=true`.',
        querystring: EmptyTrashQuery,
        response: { 200: Ref(Deleted), ...problems(400, ...TOKEN, 501) },
      },
    },
    async (request) => firstOrNotFound(await request.withUser(emptyTrash)),
  )
}
export default trash

/** @throws {ApiError} invalid_cursor (400) */
function readCursor(text: string | undefined) {
  const [, id, deleted_at] = /^([\da-f-]{36}):(.+)$/.exec(text ?? '') ?? []
  if (!id || !deleted_at) throw new ApiError('invalid_cursor')
  return { id, deleted_at }
}

/** Why a write found nothing: it is not in this user's trash, or of another version. */
async function explainMissing(
  request: FastifyRequest,
  id: string,
  precondition: Precondition,
): Promise<ApiError> {
  if (isDeepStrictEqual(precondition, ANY_VERSION)) return notFound()
  const [todo] = await request.withUser((tx) => findTrashed(tx, id))
  return todo ? new ApiError('precondition_failed') : notFound()
}
