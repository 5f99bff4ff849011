import { escapeHtml } from '../http/pages.ts'
import { type MailKind, type MailText, mailTexts } from './texts.ts'

export interface RenderedMail {
  subject: string
  text: string
  html: string
  /** The URL that the recipient is to open. */
  url: string | undefined
}

interface Content {
  kind: string
  /** May hold `name`, `change`, `email`, `ip` and `user_agent`. */
  params: Record<string, string | null>
  created_at: string
  /** The token that the link carries. */
  token: string | undefined
  /** The URL of this service, without a slash at the end. */
  publicUrl: string
}

const labels: Record<string, string> = {
  name: 'Name',
  change: 'Change',
  email: 'New address',
  ip: 'From',
  user_agent: 'Client',
}

const MAX_DETAIL = 150

/**
 * Makes text that others chose harmless: no line breaks, and nothing that a mail program turns into a link, because
 * a stranger could be sent it.
 */
export const cleanDetail = (text: string): string =>
  text
    .slice(0, MAX_DETAIL)
    .replaceAll(/[^\p{L}\p{M}\p{N} .,;()[\]_+\-/@:]/gu, ' ')
    .replaceAll(/\/{2,}|@(?=[^ ]*\.)/g, ' ')
    .replaceAll(/\.(?=\p{L})/gu, ' ')
    .replaceAll(/ +/g, ' ')
    .trim()

/** Renders a mail as plain text and as simple HTML. @throws {Error} when this build does not know the kind */
export function renderMail({ kind, params, created_at, token, publicUrl }: Content): RenderedMail {
  const known: MailText | undefined = Object.hasOwn(mailTexts, kind) ? mailTexts[kind as MailKind] : undefined
  if (!known) throw new Error(`There is no text for mails of the kind ${kind}`)
  const { subject, intro, link, outro } = known
  // In the fragment, which browsers send to no server: neither logs nor the header Referer have the token.
  const url = link && token ? `${publicUrl}/link#${token}` : undefined
  const details = Object.entries(labels).flatMap(([name, label]) => {
    const value = params[name]
    if (!value) return []
    // An address is checked when it is set, and its user must be able to recognise it.
    return [{ label, value: name === 'email' || name === 'ip' ? value : cleanDetail(value) }]
  })
  if (!link) details.unshift({ label: 'When', value: `${created_at.slice(0, 16).replace('T', ' ')} UTC` })
  const lines = details.map(({ label, value }) => `${label}: ${value}`)
  const body = [lines.join('\n'), ...outro].filter(Boolean)
  const paragraph = (content: string) => `<p>${content}</p>`
  return {
    subject,
    url,
    text: `${[...intro, ...(url ? [url] : []), ...body, `-- \nTODO API, ${publicUrl}`].join('\n\n')}\n`,
    html: `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(subject)}</title></head><body>
${[
  ...intro.map((text) => paragraph(escapeHtml(text))),
  ...(url ? [paragraph(`<a href="${escapeHtml(url)}">${escapeHtml(link as string)}</a>`)] : []),
  ...(lines.length > 0 ? [paragraph(lines.map(escapeHtml).join('<br>'))] : []),
  ...outro.map((text) => paragraph(escapeHtml(text))),
  paragraph(`TODO API, <a href="${escapeHtml(publicUrl)}">${escapeHtml(publicUrl)}</a>`),
].join('\n')}
</body></html>
`,
  }
}
