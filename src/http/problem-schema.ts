import { type Static, Type } from '@sinclair/typebox'

export const Problem = Type.Object(
  {
    type: Type.String({
      maxLength: 200,
      format: 'uri-reference',
      description: 'A URI reference to the description of this kind of problem: `/problems/{code}`.',
      examples: ['/problems/not_found'],
    }),
    title: Type.String({ maxLength: 200, examples: ['Not found'] }),
    status: Type.Integer({ minimum: 400, maximum: 599, examples: [404] }),
    code: Type.String({
      maxLength: 50,
      description: 'A stable code for programs; the texts can change.',
      examples: ['not_found'],
    }),
    detail: Type.String({ maxLength: 500, examples: ['Not found.'] }),
    instance: Type.String({
      maxLength: 2000,
      description: 'The path of the request.',
      examples: ['/todos/1'],
    }),
    request_id: Type.String({
      maxLength: 100,
      description: 'The id of the request, also in the log and the `X-Request-Id` header.',
      examples: ['01a20986-6f0e-73f5-a3ae-22a9c8f15d26'],
    }),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          pointer: Type.Optional(
            Type.String({
              maxLength: 200,
              description: 'JSON Pointer (RFC 6901) into the body.',
              examples: ['/title'],
            }),
          ),
          parameter: Type.Optional(
            Type.String({ maxLength: 200, description: 'The path or query parameter.', examples: ['limit'] }),
          ),
          code: Type.String({ maxLength: 50, examples: ['too_long'] }),
          message: Type.String({ maxLength: 500, examples: ['must have 1 to 200 characters'] }),
        }),
        { maxItems: 20, description: 'The invalid members or parameters, with a 400.' },
      ),
    ),
  },
  { $id: 'Problem', description: 'A problem document (RFC 9457).' },
)
export type Problem = Static<typeof Problem>
