import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Config } from '../config.ts'
import { firstOrNotFound, invalidParameter } from '../http/errors.ts'
import { Headers, problems, Ref, TOKEN, toPage } from '../http/schemas.ts'
import { toPatterns } from './folded-text.ts'
import { countTodos, listTags, listTodos } from './list.ts'
import { TagPage, TagQuery, TodoPage, TodoQuery } from './list-schema.ts'
import { createCursors, toTodoPage } from './pages.ts'
import { Todo } from './schema.ts'

/** Lists of the user's todos and tags. */
const lists: FastifyPluginAsyncTypebox<{ config: Config }> = async (app, { config }) => {
  for (const schema of [Todo, TodoPage, TagPage]) app.addSchema(schema)
  const cursors = createCursors(config)
  const tags = ['todos']

  app.get(
    '/todos',
    {
      config: { scope: 'todos:read' },
      schema: {
        operationId: 'listTodos',
        tags,
        summary: 'List todos, newest first',
        description:
          'To get the next page, send `next_cursor` as `cursor`, or follow the `Link` header. `offset` also works, but may skip or repeat todos when they change.',
        querystring: TodoQuery,
        response: {
          200: {
            description: 'A page of todos.',
            headers: { link: Headers.link },
            content: { 'application/json': { schema: Ref(TodoPage) } },
          },
          ...problems(400, ...TOKEN),
        },
      },
    },
    async (request, reply) => {
      const { query } = request
      checkFilters(query)
      const { user_id } = request.credential
      const place = cursors.read(user_id, query)
      const [rows, counted] = query.count
        ? await request.withUser((tx) => Promise.all([listTodos(tx, query, place), countTodos(tx, query)]))
        : [await request.withUser((tx) => listTodos(tx, query, place))]
      const { page, link } = toTodoPage(rows, place, query, user_id, cursors)
      if (link) reply.header('link', link)
      return reply.send(counted ? { ...page, ...firstOrNotFound(counted) } : page)
    },
  )

  app.get(
    '/tags',
    {
      config: { scope: 'todos:read' },
      schema: {
        operationId: 'listTags',
        tags,
        summary: 'List tags with their counts',
        description: 'Every tag of your todos, completed ones too, sorted by the code points of its text.',
        querystring: TagQuery,
        response: {
          200: {
            description: 'A page of tags.',
            content: { 'application/json': { schema: Ref(TagPage) } },
          },
          ...problems(400, ...TOKEN),
        },
      },
    },
    async (request) => {
      const { query } = request
      return toPage(await request.withUser((tx) => listTags(tx, query)), query)
    },
  )
}
export default lists

/** @throws {ApiError} invalid_request (400), for filters that their schema allows one by one */
function checkFilters({ q, due, due_from, due_before }: TodoQuery): void {
  if (due !== undefined && (due_from !== undefined || due_before !== undefined))
    throw invalidParameter('due', 'conflict', 'cannot be sent with due_from or due_before')
  // Invisible characters and lone accents are not white space, and no words either.
  if (q !== undefined && toPatterns(q).length === 0)
    throw invalidParameter('q', 'blank', 'must contain more than white space')
}
