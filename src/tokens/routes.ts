import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { v7 as uuidv7 } from 'uuid'
import { createSecret, sha256, writeToken } from '../credentials/opaque-tokens.ts'
import { firstOrNotFound, invalidMember, quotaExceeded, unauthorized } from '../http/errors.ts'
import { BODY, Id, PageQuery, problems, Ref, TOKEN, toPage } from '../http/schemas.ts'
import { AccessToken, AccessTokenPage, CreatedAccessToken, NewAccessToken } from './schema.ts'
import { checkTokenQuota, createToken, exportTokens, listTokens, MAX_TOKENS, revokeToken } from './sql.ts'

/** Personal access tokens, for scripts. */
const tokens: FastifyPluginAsyncTypebox = async (app) => {
  for (const schema of [AccessToken, AccessTokenPage, NewAccessToken, CreatedAccessToken])
    app.addSchema(schema)
  app.addFeature({
    name: 'tokens',
    description: 'Personal access tokens, for scripts.',
    constraints: {
      // Revoked between its authentication and the insert.
      access_tokens_maker_fkey: () => unauthorized('revoked_token'),
      access_tokens_quota: () => quotaExceeded('personal access tokens', MAX_TOKENS),
      access_tokens_expires_later: () => invalidMember('/expires_at', 'past', 'must be in the future'),
    },
    exports: { tokens: { schema: AccessToken, readPage: exportTokens } },
  })
  const tags = ['tokens']
  const scope = 'account' as const

  app.get(
    '/tokens',
    {
      config: { scope },
      schema: {
        operationId: 'listTokens',
        tags,
        summary: 'List personal access tokens, newest first',
        description: 'Without the tokens themselves. Expired tokens are listed for 30 days.',
        querystring: PageQuery,
        response: { 200: Ref(AccessTokenPage), ...problems(400, ...TOKEN) },
      },
    },
    async (request) => toPage(await request.withUser((tx) => listTokens(tx, request.query)), request.query),
  )

  app.post(
    '/tokens',
    {
      config: { scope },
      schema: {
        operationId: 'createToken',
        tags,
        summary: 'Create a personal access token',
        description:
          'Its scopes must be among those of the credential that creates it. Created with a personal access token, it expires no later than that token (without `expires_at`, at the same time) and is revoked with it; created in a session, it can have any lifetime. A user can have 50 tokens. The token is shown only in this response, and used like an access token: `Authorization: Bearer …`.',
        body: Ref(NewAccessToken),
        response: { 201: Ref(CreatedAccessToken), ...problems(...BODY, ...TOKEN, 409) },
      },
    },
    async (request, reply) => {
      const secret = createSecret()
      const ids = { id: uuidv7(), eventId: uuidv7() }
      request.credential.scopes = [...new Set([scope, ...request.body.scopes])]
      const { latest, ...token } = firstOrNotFound(
        await request.withUser((tx) => {
          checkTokenQuota(tx)
          return createToken(tx, ids, sha256(secret), request.body, request.client)
        }),
      )
      if (token.id === null)
        throw invalidMember(
          '/expires_at',
          'out_of_range',
          `must be no later than ${latest}, when the token that creates it expires`,
        )
      reply.code(201)
      return { ...token, token: writeToken('access', request.credential.user_id, secret) }
    },
  )

  app.delete(
    '/tokens/:id',
    {
      config: { scope },
      schema: {
        operationId: 'revokeToken',
        tags,
        summary: 'Revoke a personal access token',
        description: 'The token and all tokens created with it stop working immediately.',
        params: Type.Object({ id: Id }, { additionalProperties: false }),
        response: { 204: Type.Null({ description: 'Revoked.' }), ...problems(400, ...TOKEN, 404) },
      },
    },
    async (request, reply) => {
      const ids = { id: request.params.id, eventId: uuidv7() }
      firstOrNotFound(await request.withUser((tx) => revokeToken(tx, ids, request.client)))
      return reply.code(204).send(null)
    },
  )
}
export default tokens
