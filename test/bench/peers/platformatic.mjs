// Platformatic DB: routes are generated from the tables, and a rule adds the owner to each query.
import { createRequire } from 'node:module'

const { buildServer, platformaticDB } = createRequire(import.meta.url)('@platformatic/db')
const { DATABASE_URL, JWT_SECRET, PORT } = process.env
const own = { checks: { userId: 'sub' } }

const app = await buildServer(
  {
    server: { hostname: '127.0.0.1', port: Number(PORT), logger: { level: 'warn' } },
    db: { connectionString: DATABASE_URL, openapi: true, graphql: false, poolSize: 10 },
    authorization: {
      jwt: { secret: JWT_SECRET },
      rolePath: 'role',
      anonymousRole: 'anonymous',
      rules: [{ role: 'user', entity: 'todo', find: own, save: own, delete: own }],
    },
  },
  platformaticDB,
)
await app.start()
