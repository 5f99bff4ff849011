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
      health: path('Whether the process is alive.', '/health'),
    }),
  },
  { $id: 'Index', description: 'What this service is, and where to go from here.' },
)
export type Index = Static<typeof Index>
