import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { v7 as uuidv7 } from 'uuid'
import { User } from '../auth/schema.ts'
import type { Config } from '../config.ts'
import { foldEmail } from '../credentials/email.ts'
import { firstOrNotFound, unauthorized } from '../http/errors.ts'
import { BODY, problems, Ref, TOKEN } from '../http/schemas.ts'
import { AccountPatch } from './schema.ts'
import { changeAccount, getMe, getPasswordSalt } from './sql.ts'

/** Changes of email and password. */
const changes: FastifyPluginAsyncTypebox<{ config: Config }> = async (app, { config }) => {
  app.patch(
    '/me',
    {
      config: { scope: 'account', limit: 'login' },
      schema: {
        operationId: 'changeAccount',
        tags: ['account'],
        summary: 'Change email or password',
        description:
          'Requires the current password, and has the rate limits of a login. A new password ends every other session; personal access tokens stay valid. If the service sends mail, another email takes effect when it is confirmed by the link that is mailed to it; the old address is then mailed a link that undoes the change for a week.',
        body: Ref(AccountPatch),
        response: { 200: Ref(User), ...problems(...BODY, ...TOKEN, 409) },
      },
    },
    async (request) => {
      const { email, new_password, current_password } = request.body
      const current = firstOrNotFound(await request.withUser((tx) => getPasswordSalt(tx, app.passwords.cost)))
      const change = {
        email,
        emailFolded: email && foldEmail(email),
        currentHash: await app.passwords.hashToCompare(current_password, current.salt),
        newHash:
          new_password &&
          (await app.passwords.hashNew(new_password, email ?? current.email, '/new_password')),
        confirm: app.mail.enabled,
        hidden: config.HIDE_REGISTRATION,
        eventIds: [uuidv7(), uuidv7()],
      }
      const [user] = await request.withUser((tx) => changeAccount(tx, change, request.client))
      if (!user) {
        // A deleted account has no row either: then this throws 401 revoked_token.
        await request.withUser(getMe)
        throw unauthorized('invalid_credentials')
      }
      app.mail.wake()
      return user
    },
  )
}
export default changes
