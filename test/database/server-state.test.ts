import { EventEmitter } from 'node:events'
import t from 'tap'
import { watchServerState } from '../../src/database/server-state.ts'

t.test('refuses a server that reports to be read-only, and still is', async (t) => {
  for (const parameterName of ['in_hot_standby', 'default_transaction_read_only'])
    for (const isReadOnly of [true, false]) {
      const wire = new EventEmitter()
      const check = watchServerState(wire, async () => isReadOnly)
      wire.emit('parameterStatus', { parameterName, parameterValue: 'on' })
      if (isReadOnly) await t.rejects(check(), { code: '25006' })
      else await t.resolves(check(), 'a pooler repeats an old report')
    }
})

t.test('does not ask a server that reports nothing of the kind', async (t) => {
  const wire = new EventEmitter()
  const check = watchServerState(wire, () => Promise.reject(new Error('asked')))
  wire.emit('parameterStatus', { parameterName: 'in_hot_standby', parameterValue: 'off' })
  wire.emit('parameterStatus', { parameterName: 'standard_conforming_strings', parameterValue: 'on' })
  await t.resolves(check())
})
