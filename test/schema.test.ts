import { readFileSync } from 'node:fs'
import t from 'tap'
import { needs } from './programs.ts'
import { dumpSchema } from './schema.ts'

t.test(
  'db/schema.sql is what the migrations add up to (npm run db:schema)',
  needs('initdb', 'pg_ctl', 'pg_dump'),
  async (t) => {
    t.equal(readFileSync('db/schema.sql', 'utf8'), await dumpSchema())
  },
)
