import { type Static, Type } from '@sinclair/typebox'

const path = (description: string, example: string) =>
  Type.String({ maxLength: 200, format: 'uri-reference', description, examples: [example] })

export const Index = Type.Object(
  {
    name: Type.String({ maxLength: 100, examples: ['TODO API'] }),
    version: Type.String({ maxLength: 50, examples: ['1.0.0'] }),
    links: Type.Object({
      document: path('The OpenAPI document.', '/docs/json'),
      docs: path('The interactive explorer.', '/docs'),
      problems: path('What each error means.', '/problems'),
      health: path('The liveness check.', '/health'),
    }),
  },
  { $id: 'Index', description: 'The name and version of this service, and where to go next.' },
)
export type Index = Static<typeof Index>

export const Health = Type.Object({ status: Type.Literal('ok') }, { description: 'OK.' })

/** A security.txt file (RFC 9116). */
export const SecurityText = Type.String({
  maxLength: 1000,
  examples: ['Contact: mailto:security@example.com\nExpires: 2027-05-25T00:00:00.000Z\n'],
})
