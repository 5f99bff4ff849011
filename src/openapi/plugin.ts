import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import fp from 'fastify-plugin'
import { type Config, packageInfo, packageRoot } from '../config.ts'
import { completeDocument } from './document.ts'
import { serveGuides } from './guide.ts'
import { introduce } from './introduction.ts'

/** What is served to the browser as it is. */
const asset = (filename: string) => ({
  filename,
  content: readFileSync(join(packageRoot, 'src/openapi/explorer', filename), 'utf8'),
})
const mark = asset('mark.svg')
const css = [
  'colours.css',
  'frame.css',
  'operations.css',
  'responses.css',
  'controls.css',
  'dialogs.css',
  'phone.css',
  'page.css',
].map(asset)
const js = [
  'session.js',
  'dialogs.js',
  'login.js',
  'reading.js',
  'snippets.js',
  'trying.js',
  'explorer.js',
].map(asset)
const favicon = [{ ...mark, rel: 'icon', sizes: 'any', type: 'image/svg+xml' }]

/** The page of @fastify/swagger-ui has no place for these. */
const HEAD = `<meta name="viewport" content="width=device-width, initial-scale=1">
      <meta name="color-scheme" content="light dark">
      <meta name="description" content="Reference and explorer of the TODO API">`

/** The OpenAPI document, generated from the routes' schemas, the explorer at /docs and the guides. */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    const basePath = config.BASE_PATH
    await app.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: {
          title: 'TODO API',
          version: packageInfo.version,
          description: introduce(basePath),
          license: { name: 'MIT', identifier: 'MIT' },
          contact: { name: 'The maintainers of the TODO API' },
        },
        servers: [{ url: basePath || '/', description: 'This service' }],
        components: {
          securitySchemes: {
            bearer: {
              type: 'http',
              scheme: 'bearer',
              description: 'The `access_token` from `POST /login`, or the `token` from `POST /tokens`.',
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
    app.addHook('onRoute', (route) => {
      // The plugin names the charset of all but this.
      if (route.url.endsWith('.svg'))
        route.onSend = async (_request, reply) => void reply.type('image/svg+xml; charset=utf-8')
      if (!/^\/docs\/?$/.test(route.url)) return
      route.onSend = async (_request, _reply, page) => `${page}`.replace('<head>', `<head>\n      ${HEAD}`)
    })
    await app.register(swaggerUi, {
      routePrefix: '/docs',
      indexPrefix: basePath,
      staticCSP:
        "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
      theme: { title: 'TODO API', css, js, favicon },
      logo: { type: 'image/svg+xml', content: mark.content },
      uiConfig: {
        displayRequestDuration: true,
        deepLinking: true,
        defaultModelsExpandDepth: -1,
        defaultModelExpandDepth: 2,
        requestSnippetsEnabled: true,
        requestSnippets: {
          defaultExpanded: true,
          languages: ['curl', 'javascript', 'python'],
          generators: {
            curl: { title: 'curl', syntax: 'bash' },
            javascript: { title: 'JavaScript', syntax: 'javascript' },
            python: { title: 'Python', syntax: 'python' },
          },
        },
      } as object,
    })
    serveGuides(app, join(packageRoot, 'docs'), basePath)
  },
  { name: 'docs' },
)
