import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Test } from 'tap'
import { cloneDatabase } from './clone-database.ts'
import { freePort } from './free-port.ts'

/** A URL with another part. */
const change = (url: string, parts: Partial<URL>) => Object.assign(new URL(url), parts).href

/**
 * URLs of databases that cannot be used, and how the explanation of each begins.
 * @param name the variable that holds the URL
 */
export async function listFaultyUrls(t: Test, name: string): Promise<[string, RegExp][]> {
  const { ownerUrl: url } = await cloneDatabase(t)
  const closes = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
  await once(closes, 'listening')
  t.teardown(() => closes.close())
  const { port } = closes.address() as { port: number }
  const unused = await freePort()
  return [
    [
      change(url, { password: 'mistyped-secret' }),
      /^The password of the user \S+ is wrong, or there is no such user: /,
    ],
    [change(url, { username: 'nobody_known' }), /^The password of the user nobody_known is wrong, /],
    [change(url, { password: '' }), /^The server requires a password for the user \S+: /],
    [change(url, { pathname: '/no_such' }), /^The database no_such does not exist: /],
    [
      change(url, { hostname: 'no-such-host.invalid' }),
      /^The host name of no-such-host\.invalid:\d+ (does not exist|cannot be resolved at the moment): /,
    ],
    [change(url, { port: `${unused}` }), /^Nothing is listening on 127\.0\.0\.1:\d+: /],
    [
      change(url, { port: `${port}` }),
      new RegExp(`^The server 127.0.0.1:${port} closed the connection: check that ${name} points to `),
    ],
    [
      change(url, { search: '?sslmode=require' }),
      /^The (database server \S+ does not support TLS, which|server \S+ closed the connection: check that) /,
    ],
  ]
}

/** Checks that an explanation begins as expected, and is one sentence without the password. */
export function checkSentence(t: Test, said: string, expected: RegExp): void {
  t.match(said, expected)
  t.match(said, /^[^\n]*\.$/, 'one sentence')
  t.notMatch(said, 'mistyped-secret')
}
