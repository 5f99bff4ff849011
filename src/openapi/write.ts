import { writeFileSync } from 'node:fs'
import { buildApp } from '../app.ts'
import { loadConfig } from '../config.ts'

// The document depends on no database and no secret; the app is built, never asked.
const config = loadConfig({
  DATABASE_URL: 'postgres://none',
  JWT_SECRET: 'x'.repeat(32),
  LOG_LEVEL: 'silent',
})
const app = await buildApp(config)
writeFileSync(String(process.argv[2]), `${JSON.stringify(app.swagger(), null, 2)}\n`)
await app.close()
