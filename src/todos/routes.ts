import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { v7 as uuidv7 } from 'uuid'
import { found } from '../errors.ts'
import { BODY, PageQuery, problems, Ref, TOKEN, toPage } from '../schema.ts'
import { NewTodo, Todo, TodoPage, TodoParams, TodoPatch } from './schema.ts'
import { createTodo, deleteTodo, getTodo, listTodos, updateTodo } from './sql.ts'

/** The user's todos. */
const todos: FastifyPluginAsyncTypebox = async (app) => {
  for (const schema of [Todo, NewTodo, TodoPatch, TodoPage]) app.addSchema(schema)
  const tags = ['todos']

  app.get(
    '/todos',
    {
      config: { scope: 'todos:read' },
      schema: {
        operationId: 'listTodos',
        tags,
        summary: 'List todos, newest first',
        querystring: PageQuery,
        response: { 200: Ref(TodoPage), ...problems(400, ...TOKEN) },
      },
    },
    async (request) => toPage(await request.withUser((tx) => listTodos(tx, request.query)), request.query),
  )

  app.post(
    '/todos',
    {
      config: { scope: 'todos:write' },
      schema: {
        operationId: 'createTodo',
        tags,
        summary: 'Create a todo',
        body: Ref(NewTodo),
        response: {
          201: {
            description: 'Created.',
            headers: { location: Type.String({ maxLength: 100, description: 'The path of the new todo.' }) },
            content: { 'application/json': { schema: Ref(Todo) } },
          },
          ...problems(...BODY, ...TOKEN),
        },
      },
    },
    async (request, reply) => {
      const todo = found(await request.withUser((tx) => createTodo(tx, uuidv7(), request.body)))
      return reply.code(201).header('location', `/todos/${todo.id}`).send(todo)
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
        params: TodoParams,
        response: { 200: Ref(Todo), ...problems(400, ...TOKEN, 404) },
      },
    },
    async (request) => found(await request.withUser((tx) => getTodo(tx, request.params.id))),
  )

  app.patch(
    '/todos/:id',
    {
      config: { scope: 'todos:write' },
      schema: {
        operationId: 'updateTodo',
        tags,
        summary: 'Change a todo',
        description: 'A merge patch (RFC 7396): an absent member stays as it is, null clears it.',
        params: TodoParams,
        body: Ref(TodoPatch),
        response: { 200: Ref(Todo), ...problems(...BODY, ...TOKEN, 404) },
      },
    },
    async (request) => found(await request.withUser((tx) => updateTodo(tx, request.params.id, request.body))),
  )

  app.delete(
    '/todos/:id',
    {
      config: { scope: 'todos:write' },
      schema: {
        operationId: 'deleteTodo',
        tags,
        summary: 'Delete a todo',
        params: TodoParams,
        response: { 204: Type.Null({ description: 'Deleted.' }), ...problems(400, ...TOKEN, 404) },
      },
    },
    async (request, reply) => {
      found(await request.withUser((tx) => deleteTodo(tx, request.params.id)))
      return reply.code(204).send(null)
    },
  )
}
export default todos
