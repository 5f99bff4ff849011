import { readFileSync } from 'node:fs'
import t from 'tap'
import { dumpSchema } from '../support/dump-schema.ts'
import { needs } from '../support/external-programs.ts'

t.test(
  'db/schema.sql is what the migrations add up to (npm run db:schema)',
  needs('initdb', 'pg_ctl', 'pg_dump'),
  async (t) => {
    t.equal(readFileSync('db/schema.sql', 'utf8'), await dumpSchema())
  },
)
