/** The introduction of the document, in Markdown. The guide has the details. */
export function introduce(basePath: string): string {
  const guide = (fragment: string) => `[More in the guide.](${basePath}/docs/guide/api#${fragment})`
  return `A to-do list API for many users: each sees only their own todos.

**Quick start.** Choose *Log in* at the top of this page and register. Then open \`POST /todos\`, choose *Try it out* and *Execute*. After each request the page shows it as curl, JavaScript and Python. ${guide('routes')}

**Authentication.** \`POST /login\` returns an access token for 15 minutes and a refresh token. Send the access token as \`Authorization: Bearer …\`; \`POST /refresh\` returns the next pair. For scripts create a personal access token with \`POST /tokens\`, with only the scopes it needs. ${guide('tokens')}

**Errors.** Every error is a problem document (RFC 9457) with a stable \`code\`; its \`type\` leads to an explanation. See [all errors](${basePath}/problems). ${guide('errors')}

**Paging.** Lists return up to \`limit\` items. Send \`next_cursor\` as \`cursor\`, or follow the \`Link\` header, to get the next page. ${guide('paging')}

**Idempotency.** Send an \`Idempotency-Key\` with a write. If you retry it within 24 hours, it still happens only once, and you get the same response. ${guide('safe-retries')}

**Rate limits.** The \`RateLimit\` header shows what is left of a limit. After a 429, wait for the number of seconds in \`Retry-After\`. ${guide('rate-limits')}
`
}
