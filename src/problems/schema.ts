import { Type } from '@sinclair/typebox'
import { problemCodes } from '../http/errors.ts'
import { Ref } from '../http/schemas.ts'

const text = (maxLength: number, example: string, description?: string) =>
  Type.String({ maxLength, examples: [example], ...(description && { description }) })

/** A kind of problem. */
export const ProblemType = Type.Object(
  {
    type: Type.String({
      maxLength: 200,
      format: 'uri-reference',
      description: 'The `type` of its problem documents.',
      examples: ['/problems/not_found'],
    }),
    code: text(50, 'not_found', 'The `code` of its problem documents.'),
    status: Type.Integer({ minimum: 400, maximum: 599, examples: [404] }),
    title: text(200, 'Not found'),
    description: text(1000, 'The path does not exist, or there is no such object among yours.'),
    causes: Type.Array(text(500, 'The object was deleted.'), {
      maxItems: 20,
      description: 'Common causes.',
    }),
    remedy: text(1000, 'List the objects to find the right ID.', 'What to do.'),
    fault_codes: Type.Optional(
      Type.Array(
        Type.Object({ code: text(50, 'too_long'), description: text(500, 'The text is too long.') }),
        {
          maxItems: 100,
          description: 'For `invalid_request`: the codes of the entries in `errors`.',
        },
      ),
    ),
  },
  { $id: 'ProblemType', description: 'What a kind of problem means and what to do about it.' },
)

export const ProblemTypes = Type.Object(
  { data: Type.Array(Ref(ProblemType), { maxItems: 100 }) },
  { $id: 'ProblemTypes' },
)

export const ProblemParams = Type.Object(
  {
    code: Type.String({
      maxLength: 50,
      pattern: '^\\w+$',
      description: `The code of a problem, one of ${problemCodes.map((code) => `\`${code}\``).join(', ')}.`,
      examples: ['not_found'],
    }),
  },
  { additionalProperties: false },
)
