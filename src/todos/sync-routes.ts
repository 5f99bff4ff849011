import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { Config } from '../config.ts'
import { isModified } from '../http/conditional.ts'
import { unknownContent } from '../http/content.ts'
import { ApiError, firstOrNotFound } from '../http/errors.ts'
import { Headers, problems, Ref, TOKEN } from '../http/schemas.ts'
import { Todo } from './schema.ts'
import { listChanges, listSnapshot } from './sync.ts'
import { toChangePage, toSnapshotPage } from './sync-page.ts'
import { ChangePage, ChangeQuery, changeTag } from './sync-schema.ts'
import { createSyncTokens, FIRST, isExpired } from './sync-tokens.ts'

/** A token that leads nowhere new is replaced after a day, long before the changes that it refers to are removed. */
const RENEWAL_SECONDS = 86_400

/** For clients that keep a copy of the todos: what has changed since they last asked. */
const sync: FastifyPluginAsyncTypebox<{ config: Config; now: () => number }> = async (
  app,
  { config, now },
) => {
  for (const schema of [Todo, ChangePage]) app.addSchema(schema)
  const tokens = createSyncTokens(config)

  app.get(
    '/todos/changes',
    {
      config: { scope: 'todos:read' },
      schema: {
        operationId: 'listChanges',
        tags: ['todos'],
        summary: 'List what has changed since a token',
        description:
          'Start without `since`, store the todos and `next_token`, and send that as `since` the next time. A change is sent once every transaction that began before it has ended. With `If-None-Match`, the response is a 304 while nothing changes.',
        headers: Type.Object({ 'if-none-match': Headers.ifNoneMatch }),
        querystring: ChangeQuery,
        response: {
          200: {
            description: 'A page of changes.',
            headers: { etag: changeTag },
            content: { 'application/json': { schema: Ref(ChangePage) } },
          },
          304: { description: 'Nothing has changed since.', headers: { etag: changeTag } },
          ...problems(400, ...TOKEN, 410, 501),
        },
      },
    },
    async (request, reply) => {
      if (config.DATABASE_SHARDED) throw new ApiError('not_implemented')
      const { user_id } = request.credential
      const { since, limit } = request.query
      const from = since === undefined ? undefined : tokens.read(since, user_id)
      const isSnapshot = from?.kind !== 'changes'
      const rows = await request.withUser((tx) =>
        isSnapshot ? listSnapshot(tx, from?.id ?? FIRST.id, limit) : listChanges(tx, from, limit),
      )
      if (from && isExpired(from, firstOrNotFound(rows))) throw new ApiError('sync_token_expired')
      const { changes, next, has_more } = isSnapshot
        ? toSnapshotPage(rows, limit, from)
        : toChangePage(rows as never, limit)

      const time = Math.floor(now() / 1000)
      const isIdle = from && changes.length === 0 && !has_more
      // The same token again, so that the response is the same, too.
      const isKept = isIdle && from.kind === 'changes' && time - from.time < RENEWAL_SECONDS
      const next_token = isKept ? `${since}` : tokens.write({ ...next, time }, user_id)
      if (!isIdle) return reply.send({ changes, next_token, has_more })
      const etag = `"${next_token.split('.')[1]}"`
      reply.header('etag', etag)
      if (isModified(request.headers['if-none-match'], etag))
        return reply.send({ changes, next_token, has_more })
      return reply.code(304).send(request.method === 'HEAD' ? unknownContent() : undefined)
    },
  )
}
export default sync
