import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import fp from 'fastify-plugin'
import { type Config, packageInfo, packageRoot } from '../config.ts'
import { completeDocument } from './document.ts'

/** What is served to the browser as it is. */
const asset = (filename: string) => ({
  filename,
  content: readFileSync(join(packageRoot, 'src/openapi/explorer', filename), 'utf8'),
})

/** The OpenAPI document, generated from the routes' schemas, and the explorer at /docs. */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    await app.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: {
          title: 'TODO API',
          version: packageInfo.version,
          description: `${packageInfo.description} Register, log in, and send the access token as a bearer token. Errors are problem documents (RFC 9457).`,
          license: { name: 'MIT', identifier: 'MIT' },
          contact: { name: 'The maintainers of the TODO API' },
        },
        servers: [
          Object.assign(
            { url: config.BASE_PATH || '/', description: 'This service, local or production' },
            { 'x-internal': false },
          ),
        ],
        tags: [
          { name: 'auth', description: 'Register, log in, refresh, log out.' },
          { name: 'todos', description: "The user's own todos." },
          {
            name: 'account',
            description: 'The user who is asking: email and password, sessions, trail, export.',
          },
          { name: 'tokens', description: 'Personal access tokens, for scripts.' },
          { name: 'health', description: 'For load balancers and probes.' },
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
      transformObject: (document) => completeDocument((document as { openapiObject: object }).openapiObject),
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
