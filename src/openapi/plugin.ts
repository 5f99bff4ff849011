import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import fp from 'fastify-plugin'
import { about } from '../about.ts'
import type { Config } from '../config.ts'
import { completeDocument } from './document.ts'

const root = dirname(createRequire(import.meta.url).resolve('todo-api/package.json'))
/** What is served to the browser as it is. */
const asset = (filename: string) => ({
  filename,
  content: readFileSync(join(root, 'src/openapi/explorer', filename), 'utf8'),
})

/** The OpenAPI document, generated from the routes' schemas, and the explorer at /docs. */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    await app.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: {
          title: 'TODO API',
          version: about.version,
          description: `${about.description} Register, log in, and send the access token as a bearer token. Errors are problem documents (RFC 9457).`,
          license: { name: 'MIT', identifier: 'MIT' },
          contact: { name: 'The maintainers of the TODO API' },
        },
        servers: [
          Object.assign(
            { url: config.BASE_PATH || '/', description: 'This service, local or production' },
            { 'x-internal': false },
          ),
        ],
        components: {
          securitySchemes: {
            bearer: {
              type: 'http',
              scheme: 'bearer',
              description:
                'The `access_token` that `POST /login` answers, or the `token` that `POST /tokens` does.',
            },
          },
        },
      },
      // A schema that has a name keeps it, instead of def-0.
      transformObject: (document) => {
        const tags = app.features.map(({ name, description }) => ({ name, description }))
        return completeDocument({ ...(document as { openapiObject: object }).openapiObject, tags })
      },
      refResolver: { buildLocalReference: (schema) => String(schema.$id) },
    })
    await app.register(swaggerUi, {
      routePrefix: '/docs',
      indexPrefix: config.BASE_PATH,
      staticCSP:
        "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
      theme: { title: 'TODO API', css: [asset('explorer.css')], js: [asset('login.js')] },
      uiConfig: {
        persistAuthorization: true,
        displayRequestDuration: true,
        deepLinking: true,
        defaultModelsExpandDepth: 0,
      },
    })
  },
  { name: 'docs' },
)
