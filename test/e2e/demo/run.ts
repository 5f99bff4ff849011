import { constants } from 'node:os'
import { tellCheat } from './cheat.ts'
import { createCurl } from './curl.ts'
import { createPsql } from './psql.ts'
import { createScreen } from './screen.ts'
import { withService } from './service.ts'
import { tellStory } from './story.ts'

// Shows in a minute what the README promises, on the production build and a database of its own. Each response is real;
// the exit code is 1 when one differs from what is expected.

const stopping = new AbortController()
const { signal } = stopping
// Every time: a second Ctrl-C must not end the process before the database is stopped.
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => stopping.abort(name))
// Nobody reads on.
process.stdout.on('error', () => stopping.abort('SIGPIPE'))

try {
  const screen = createScreen(signal)
  await screen.begin('The TODO API in a minute, on a PostgreSQL of its own, which is starting …')
  await withService(async (url, databaseUrl, line) => {
    const curl = createCurl(screen, signal)
    const { ada, bob } = await tellStory(screen, curl, url)
    await screen.title('Why: the policies, as the role that the API logs in with sees them')
    await screen.command('$ ', line)
    const psql = createPsql(databaseUrl, screen)
    await tellCheat(screen, psql, ada, bob).finally(psql.end)
  })
  await screen.end('Every response was as expected. The API and its database have been removed.')
} catch (error) {
  if (!signal.aborted) process.stderr.write(`${(error as Error).message}\n`)
  process.exitCode = signal.aborted ? 128 + constants.signals[signal.reason as NodeJS.Signals] : 1
}
