import t from 'tap'
import { setUp } from '../support/app.ts'
import { isolationChecks, openWorld } from './http.ts'

// With the routing that Citus needs, and without it.
for (const DATABASE_SHARDED of ['false', 'true']) {
  const { app } = await setUp(t, { DATABASE_SHARDED })
  for (const [name, check] of Object.entries(isolationChecks))
    t.test(`${name}; sharded: ${DATABASE_SHARDED}`, async (t) => {
      await check(await openWorld(app))
      t.pass()
    })
}
