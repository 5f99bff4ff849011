import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { packageRoot } from '../config.ts'
import { sendPage } from '../http/pages.ts'

const CONTENT = `<h1 id="title">Open a mailed link</h1>
<p id="message" role="status">This page needs JavaScript.</p>
<form id="form" class="action" hidden>
<p id="password" hidden><label for="new-password">New password</label>
<input id="new-password" type="password" autocomplete="new-password" minlength="8" required></p>
<p id="revoke" hidden><label><input id="revoke-tokens" type="checkbox"> Also revoke every personal access token</label></p>
<p><button id="act" type="submit"></button></p>
</form>
`

/**
 * Serves /link, which mailed links open. The page has no token: that is in the fragment, which only its script reads.
 * Nothing happens until the user presses the button, so mail scanners that open links change nothing.
 */
export function serveLinkPage(app: FastifyInstance, basePath: string): void {
  const script = readFileSync(join(packageRoot, 'src/openapi/explorer/link.js'), 'utf8')
  app.get('/link', { schema: { hide: true } }, async (_request, reply) =>
    sendPage(reply, basePath, 'Mailed link', CONTENT, `${basePath}/link/link.js`),
  )
  app.get('/link/link.js', { schema: { hide: true } }, async (_request, reply) =>
    reply.type('text/javascript; charset=utf-8').send(script),
  )
}
