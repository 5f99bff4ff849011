import { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { User } from '../auth/schema.ts'
import type { Config } from '../config.ts'
import { unknownContent } from '../http/content.ts'
import { firstOrNotFound, loginRequired } from '../http/errors.ts'
import { Id, PageQuery, problems, Ref, TOKEN, toPage } from '../http/schemas.ts'
import changes from './change-routes.ts'
import { writeExport } from './export.ts'
import { AccountPatch, createExport, Event, EventPage, Session, SessionPage } from './schema.ts'
import { deleteMe, endSession, exportEvents, exportSessions, getMe, listEvents, listSessions } from './sql.ts'

/** The user's account: email, password, sessions, events and export. */
const account: FastifyPluginAsyncTypebox<{ config: Config }> = async (app, { config }) => {
  app.addFeature({
    name: 'account',
    description: 'The user who is asking: email and password, sessions, trail, export.',
    exports: {
      sessions: { schema: Session, readPage: exportSessions },
      events: { schema: Event, readPage: exportEvents },
    },
  })
  const exportParts = app.takeExports()
  const Export = createExport(exportParts)
  const rows = Object.values(exportParts).map(({ schema }) => schema)
  for (const schema of new Set([User, AccountPatch, ...rows, SessionPage, EventPage, Export]))
    app.addSchema(schema)
  const tags = ['account']
  const scope = 'account' as const

  app.get(
    '/me',
    {
      config: { scope },
      schema: {
        operationId: 'getMe',
        tags,
        summary: 'Get the current user',
        description: 'Returns the id, the email and when it was confirmed, and the time of registration.',
        response: { 200: Ref(User), ...problems(400, ...TOKEN) },
      },
    },
    async (request) => firstOrNotFound(await request.withUser(getMe)),
  )

  await app.register(changes, { config })

  app.delete(
    '/me',
    {
      config: { scope, bulk: true },
      schema: {
        operationId: 'deleteMe',
        tags,
        summary: 'Delete the account and all its data',
        description: 'Requires a login within the last ten minutes. Cannot be undone.',
        response: { 204: Type.Null({ description: 'Deleted.' }), ...problems(400, ...TOKEN) },
      },
    },
    async (request, reply) => {
      const [user] = await request.withUser(deleteMe)
      if (!user) {
        // An account that another request has deleted has no row either: then this throws 401 revoked_token.
        await request.withUser(getMe)
        throw loginRequired()
      }
      // In the log, because the account's events are deleted, too.
      request.log.info({ user_id: user.id }, 'account deleted')
      return reply.code(204).send(null)
    },
  )

  app.get(
    '/me/export',
    {
      config: { scope },
      schema: {
        operationId: 'exportMe',
        tags,
        summary: "Export all of the user's data",
        description: 'Streamed. After a failure the response ends early and is not valid JSON.',
        response: { 200: Type.Unsafe<Readable>(Ref(Export)), ...problems(400, ...TOKEN) },
      },
    },
    async (request, reply) => {
      const user = firstOrNotFound(await request.withUser(getMe))
      reply.type('application/json; charset=utf-8')
      if (request.method === 'HEAD') return reply.send(unknownContent())
      return reply.send(
        Readable.from(
          writeExport(user, exportParts, (run) => request.withUser(run)),
          { objectMode: false },
        ),
      )
    },
  )

  app.get(
    '/me/sessions',
    {
      config: { scope },
      schema: {
        operationId: 'listSessions',
        tags,
        summary: 'List active sessions, newest first',
        description: 'Each login opens a session. The session of this request is marked `current`.',
        querystring: PageQuery,
        response: { 200: Ref(SessionPage), ...problems(400, ...TOKEN) },
      },
    },
    async (request) => toPage(await request.withUser((tx) => listSessions(tx, request.query)), request.query),
  )

  app.delete(
    '/me/sessions/:id',
    {
      config: { scope },
      schema: {
        operationId: 'endSession',
        tags,
        summary: 'End a session',
        description: "The session's tokens are revoked immediately.",
        params: Type.Object({ id: Id }, { additionalProperties: false }),
        response: {
          204: Type.Null({ description: 'The session has ended.' }),
          ...problems(400, ...TOKEN, 404),
        },
      },
    },
    async (request, reply) => {
      firstOrNotFound(await request.withUser((tx) => endSession(tx, request.params.id)))
      return reply.code(204).send(null)
    },
  )

  app.get(
    '/me/events',
    {
      config: { scope },
      schema: {
        operationId: 'listEvents',
        tags,
        summary: 'List account activity, newest first',
        description:
          'Logins, failed logins (five an hour are listed, further ones are counted), requests for and changes of email and password, changes of the second factor, wrong codes, used recovery codes, created and revoked tokens, and what the operator did (`operator_…`).',
        querystring: PageQuery,
        response: { 200: Ref(EventPage), ...problems(400, ...TOKEN) },
      },
    },
    async (request) => toPage(await request.withUser((tx) => listEvents(tx, request.query)), request.query),
  )
}
export default account
