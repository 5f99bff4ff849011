import AjvCompiler from '@fastify/ajv-compiler'
import { SerializerSelector } from '@fastify/fast-json-stringify-compiler'
import { isEmail } from '../credentials/email.ts'
import { isNewPassword } from '../credentials/password-text.ts'
import { textKeywords } from './text.ts'

const ajv = AjvCompiler()
const serializer = SerializerSelector()
type Validator = ReturnType<ReturnType<typeof ajv>>

/**
 * How schemas become functions. Each is compiled by the first request that needs it: compiling all of them was
 * a third of the time to start. That they are valid schemas is the document's linters' to say.
 */
export const schemaController = {
  compilersFactory: {
    /** Bodies are taken as they are; path and query are text, so their numbers and booleans are converted. */
    buildValidator(externalSchemas: Parameters<typeof ajv>[0]) {
      const build = (coerceTypes: boolean) =>
        ajv(externalSchemas, {
          customOptions: {
            coerceTypes,
            removeAdditional: false,
            useDefaults: true,
            allErrors: true,
            discriminator: true,
            validateSchema: false,
            meta: false,
          },
          onCreate: (instance) => {
            instance.addFormat('password', isNewPassword)
            instance.addFormat('idn-email', isEmail)
            for (const keyword of textKeywords) instance.addKeyword(keyword)
          },
        })
      const body = build(false)
      const text = build(true)
      return (route: Parameters<typeof body>[0] & { httpPart?: string }) => {
        let compiled: Validator | undefined
        const validate = (value: unknown) => {
          compiled ??= (route.httpPart === 'body' ? body : text)(route)
          const isValid = compiled(value)
          validate.errors = compiled.errors
          return isValid
        }
        validate.errors = undefined as Validator['errors']
        return validate as Validator
      }
    },
    buildSerializer(...given: Parameters<typeof serializer>) {
      const build = serializer(...given)
      return (route: Parameters<typeof build>[0]) => {
        let compiled: ReturnType<typeof build> | undefined
        return (value: unknown) => {
          compiled ??= build(route)
          return compiled(value)
        }
      }
    },
  },
}
