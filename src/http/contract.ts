import fp from 'fastify-plugin'
import { Problem } from './problem-schema.ts'
import { Empty } from './schemas.ts'

/** Requires response schemas of every route, and rejects query parameters that a route does not declare. */
export default fp(
  async (app) => {
    app.addSchema(Problem)

    app.addHook('onRoute', (route) => {
      if (route.schema?.hide) return
      if (!route.schema?.response) throw new Error(`${route.method} ${route.url} has no response schema`)
      route.schema.querystring ??= Empty
    })
  },
  { name: 'contract' },
)
