import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { Config } from '../config.ts'
import { problems } from '../http/schemas.ts'

/** RFC 9116, section 2.5.5, wants less than a year. */
const VALID_MS = 180 * 86_400_000

const SecurityText = Type.String({
  maxLength: 1000,
  examples: ['Contact: mailto:security@example.com\nExpires: 2027-05-25T00:00:00.000Z\n'],
})

/** Whom to tell of a vulnerability (RFC 9116), when the operator has said it. */
const security: FastifyPluginAsyncTypebox<{ config: Config; now: () => number }> = async (
  app,
  { config, now },
) => {
  if (!config.SECURITY_CONTACT) return
  app.get(
    '/.well-known/security.txt',
    {
      schema: {
        operationId: 'getSecurityText',
        tags: ['health'],
        summary: 'Say whom to tell of a vulnerability',
        description: 'A security.txt (RFC 9116).',
        response: {
          200: { description: 'The contact.', content: { 'text/plain': { schema: SecurityText } } },
          ...problems(400),
        },
      },
    },
    async (_request, reply) => {
      const expires = new Date(now() + VALID_MS).toISOString()
      return reply
        .type('text/plain; charset=utf-8')
        .send(`Contact: ${config.SECURITY_CONTACT}\nExpires: ${expires}\nPreferred-Languages: en\n`)
    },
  )
}
export default security
