import t from 'tap'
import { findTarget, withConnection } from '../../../db/connect.ts'
import { checkSentence, listFaultyUrls } from '../../support/faulty-urls.ts'
import { freePort } from '../../support/free-port.ts'

t.test('explains in one sentence why a command cannot use the database, without the password', async (t) => {
  for (const name of ['DATABASE_URL', 'MIGRATION_DATABASE_URL'] as const)
    for (const [url, sentence] of await listFaultyUrls(t, name)) {
      const said = await withConnection({ name, url, embedded: false }, async () => 'connected').catch(
        ({ message }) => message,
      )
      checkSentence(t, said, sentence)
    }
})

t.test('explains what a command needs when there is no database', async (t) => {
  const { env } = process
  t.teardown(() => Object.assign(process, { env }))
  const DATA_DIR = t.testdir({
    env: `MIGRATION_DATABASE_URL=postgres://a:b@127.0.0.1:${await freePort()}/x\n`,
  })
  const said = async (variables: Record<string, string>) => {
    process.env = { ...env, DATA_DIR, ...variables }
    for (const name of ['MIGRATION_DATABASE_URL', 'DATABASE_URL'])
      if (!variables[name]) delete process.env[name]
    try {
      return await withConnection(findTarget(), async () => 'connected')
    } catch (error) {
      return (error as Error).message
    }
  }
  t.match(
    await said({ DATA_DIR: '/nowhere' }),
    /^No database is configured: start the service, .* or set MIGRATION_DATABASE_URL /,
  )
  t.match(
    await said({}),
    /^The embedded database is not running: start the service, or set MIGRATION_DATABASE_URL\.$/,
  )
  t.match(await said({ MIGRATION_DATABASE_URL: 'mysql://x' }), /^MIGRATION_DATABASE_URL must be a URL like /)
})
