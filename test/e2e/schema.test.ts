import { readFileSync } from 'node:fs'
import t from 'tap'
import { needs } from '../support/external-programs.ts'
import { dumpSchema } from '../support/dump-schema.ts'

t.test(
  'db/schema.sql is what the migrations add up to (npm run db:schema)',
  needs('initdb', 'pg_ctl', 'pg_dump'),
  async (t) => {
    t.equal(readFileSync('db/schema.sql', 'utf8'), await dumpSchema())
  },
)
