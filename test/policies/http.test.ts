import t from 'tap'
import { setUp } from '../helper.ts'
import { isolationChecks, openWorld } from './http.ts'

const { app } = await setUp(t)
for (const [name, check] of Object.entries(isolationChecks))
  t.test(name, async (t) => {
    await check(await openWorld(app))
    t.pass()
  })
