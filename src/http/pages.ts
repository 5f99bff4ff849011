import type { FastifyReply } from 'fastify'

/** Pages load their style sheet and icons from this service, and run no scripts. */
const POLICY =
  "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
const SCRIPT_POLICY = `${POLICY}; script-src 'self'; connect-src 'self'`

const escapes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
export const escapeHtml = (text: string): string => text.replaceAll(/[&<>"]/g, (sign) => `${escapes[sign]}`)

/**
 * Sends an HTML page with the header that all pages share.
 * @param content is trusted HTML
 * @param script the URL of the page's script on this service, if it has one
 */
export function sendPage(
  reply: FastifyReply,
  basePath: string,
  title: string,
  content: string,
  script?: string,
): FastifyReply {
  const theme = `${basePath}/docs/static/theme`
  return reply
    .header('content-security-policy', script ? SCRIPT_POLICY : POLICY)
    .type('text/html; charset=utf-8')
    .send(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)} · TODO API</title>
<link rel="icon" type="image/svg+xml" href="${theme}/mark.svg">
<link rel="stylesheet" href="${theme}/colours.css">
<link rel="stylesheet" href="${theme}/page.css">${script ? `\n<script src="${escapeHtml(script)}" defer></script>` : ''}
</head>
<body class="page">
<a class="skip" href="#content">Skip to the content</a>
<header><nav aria-label="Documentation">
<a class="home" href="${basePath}/docs"><img src="${theme}/mark.svg" alt="" width="24" height="24">TODO API</a>
<a href="${basePath}/docs">Reference</a>
<a href="${basePath}/docs/guide">Guides</a>
<a href="${basePath}/problems">Errors</a>
</nav></header>
<main id="content">
${content}</main>
</body>
</html>
`)
}
