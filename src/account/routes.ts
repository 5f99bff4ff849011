import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { User } from '../auth/schema.ts'
import { found } from '../errors.ts'
import { problems, Ref, TOKEN } from '../schema.ts'
import { getMe } from './sql.ts'

/** The user's own account. */
const account: FastifyPluginAsyncTypebox = async (app) => {
  app.addSchema(User)

  app.get(
    '/me',
    {
      config: { scope: 'account' },
      schema: {
        operationId: 'getMe',
        tags: ['account'],
        summary: 'Show the user who is asking',
        response: { 200: Ref(User), ...problems(400, ...TOKEN) },
      },
    },
    async (request) => found(await request.withUser(getMe)),
  )
}
export default account
