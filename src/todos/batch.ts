import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { v7 as uuidv7 } from 'uuid'
import type { Config } from '../config.ts'
import type { Tx } from '../database/transaction.ts'
import { ANY_VERSION } from '../http/conditional.ts'
import { ApiError, firstOrNotFound, invalidParameter } from '../http/errors.ts'
import { BODY, Headers, problems, Ref, TOKEN } from '../http/schemas.ts'
import { Batch, BatchResults, BulkQuery, Deleted, Operation, operations } from './batch-schema.ts'
import { NewTodo, Todo, TodoPatch } from './schema.ts'
import { createTodo, deleteTodo, deleteTodos, lockTodos, updateTodo } from './sql.ts'

/** Many todos in one request: all of it happens, or nothing does. */
const batch: FastifyPluginAsyncTypebox<{ config: Config }> = async (app, { config }) => {
  const { TRASH_DAYS } = config
  for (const schema of [Todo, NewTodo, TodoPatch, ...operations, Operation, Batch, BatchResults, Deleted])
    app.addSchema(schema)
  const tags = ['todos']

  app.post(
    '/todos/batch',
    {
      config: { scope: 'todos:write' },
      schema: {
        operationId: 'batchTodos',
        tags,
        summary: 'Create, change and delete many todos',
        description:
          'In the order given, and all or nothing: the first operation that fails undoes the others.',
        headers: Type.Object({ 'idempotency-key': Headers.idempotencyKey }),
        body: Ref(Batch),
        response: {
          200: {
            description: 'All done.',
            headers: { 'idempotent-replayed': Headers.replayed },
            content: { 'application/json': { schema: Ref(BatchResults) } },
          },
          ...problems(...BODY, ...TOKEN, 404, 409, 422),
        },
      },
    },
    async (request, reply) => {
      const { operations: sent } = request.body
      const added = sent.filter(({ op }) => op === 'create').length
      const check = (tx: Tx) => added > 0 && app.checkTodoQuota(tx, request.credential.user_id, added)
      const results = await request.withUserOnce(reply, (tx) => runBatch(tx, sent, TRASH_DAYS), 'many', check)
      return { results: [...results] }
    },
  )

  app.delete(
    '/todos',
    {
      config: { scope: 'todos:write', bulk: true },
      schema: {
        operationId: 'deleteTodos',
        tags,
        summary: 'Delete completed todos, or all',
        description: 'Either `completed=true` or `all=true`. They move to the trash.',
        querystring: BulkQuery,
        response: { 200: Ref(Deleted), ...problems(400, ...TOKEN) },
      },
    },
    async (request) => {
      const { completed, all } = request.query
      if (!completed && !all) throw invalidParameter('completed', 'required', 'or all is required')
      if (completed && all) throw invalidParameter('all', 'conflict', 'cannot be sent with completed')
      return firstOrNotFound(
        await request.withUser((tx) => deleteTodos(tx, all ? 'all' : 'completed', TRASH_DAYS)),
      )
    },
  )
}
export default batch

/** Sends the operations together, in their order, behind the locks that they need. */
function runBatch(tx: Tx, operations: readonly Operation[], trashDays: number) {
  const ids = operations.flatMap((operation) => (operation.op === 'create' ? [] : [operation.id]))
  if (ids.length > 0) lockTodos(tx, ids)
  return Promise.all(operations.map((operation, index) => runOperation(tx, operation, index, trashDays)))
}

async function runOperation(tx: Tx, operation: Operation, index: number, trashDays: number) {
  const { op } = operation
  if (op === 'create') {
    const todo = firstOrNotFound(await createTodo(tx, uuidv7(), operation.todo))
    return { op, id: todo.id, todo }
  }
  const { id } = operation
  const [row] =
    op === 'update'
      ? await updateTodo(tx, id, operation.todo, ANY_VERSION)
      : await deleteTodo(tx, id, ANY_VERSION, trashDays)
  if (!row) {
    const errors = [
      {
        pointer: `/operations/${index}/id`,
        code: 'not_found' as const,
        message: 'is nothing that you may see',
      },
    ]
    throw new ApiError('not_found', { errors })
  }
  return op === 'update' ? { op, id: row.id, todo: row as Todo } : { op, id: row.id }
}
