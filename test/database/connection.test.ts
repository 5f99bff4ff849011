import { EventEmitter, once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Client } from 'pg'
import t from 'tap'
import { cancelStatement } from '../../src/database/connection.ts'
import { watchServerState } from '../../src/database/server-state.ts'
import { findTransportFault } from '../../src/database/transport.ts'
import { freePort } from '../support/free-port.ts'

// PostgreSQL manual, 54.7: length 16, code 80877102, process, secret.
const request = Buffer.from('0000001004d2162e0000002a00000007', 'hex')
const cancel = (address: { host: string; port: number }, processID: number | null = 42) =>
  cancelStatement({ ...address, processID, secretKey: 7 } as unknown as Client)

async function listen(where: object) {
  const server = createServer().listen(where)
  await once(server, 'listening')
  return server
}

t.test('sends a cancel request on a separate socket, TCP or Unix, and closes it', async (t) => {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'todo-api-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  for (const [address, where] of [
    [
      { host: '127.0.0.1', port },
      { host: '127.0.0.1', port },
    ],
    [{ host: folder, port: 5432 }, { path: join(folder, '.s.PGSQL.5432') }],
  ] as const) {
    const server = await listen(where)
    const asked = once(server, 'connection')
    cancel(address)
    const [socket] = (await asked) as [Socket]
    t.same((await once(socket, 'data'))[0], request)
    await once(socket, 'close')
    server.close()
  }
})

t.test('sends no cancel request without a process ID, and ignores a server that is gone', async (t) => {
  const port = await freePort()
  cancel({ host: '127.0.0.1', port })
  const server = await listen({ host: '127.0.0.1', port: 0 })
  let asked = 0
  server.on('connection', () => asked++)
  cancel({ host: '127.0.0.1', port: (server.address() as { port: number }).port }, null)
  await new Promise((resolve) => setTimeout(resolve, 100))
  t.equal(asked, 0)
  server.close()
})

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

t.test('warns about a connection to another host without verified TLS', async (t) => {
  const bare = 'postgres://todo_login:s3cret@db.example/todo'
  for (const url of [bare, `${bare}?sslmode=disable`, 'postgres://u:s3cret@192.0.2.1/x'])
    t.match(
      findTransportFault(url),
      /^The connection to the database server \S+ is not encrypted: add sslmode=/,
    )
  t.match(findTransportFault(`${bare}?sslmode=no-verify`), /does not verify the certificate of the server: /)
  t.notMatch(findTransportFault(bare), 's3cret')
  const safe = ['localhost', '127.0.0.1', '[::1]', '%2Frun%2Fpostgresql'].map(
    (host) => `postgres://u@${host}/x`,
  )
  for (const url of [...safe, 'postgres:///x?host=/run/postgresql', `${bare}?sslmode=verify-full`])
    t.equal(findTransportFault(url), undefined, url)
})
