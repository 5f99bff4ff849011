import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { Marked } from 'marked'
import { notFound } from '../http/errors.ts'
import { escapeHtml, sendPage } from '../http/pages.ts'

/** First what a user of the API reads, then what an operator or a contributor does; other pages follow by name. */
const ORDER = ['api', 'design', 'security', 'operations', 'performance', 'adding-a-resource', 'CHANGELOG']
const isExternal = (href: string) => /^(https?:|mailto:)/.test(href)
/** As GitHub makes the fragment of a heading. */
const toSlug = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(/\s/g, '-')

interface Guide {
  name: string
  title: string
  content: string
}

/**
 * The Markdown files of a folder as HTML.
 * @returns none when there is no such folder: a production install may lack it
 */
export function readGuides(folder: string, basePath: string): Guide[] {
  const files = existsSync(folder) ? readdirSync(folder) : []
  const rank = (name: string) => (ORDER.indexOf(name) + ORDER.length + 1) % (ORDER.length + 1)
  const names = files
    .filter((file) => file.endsWith('.md'))
    .map((file) => file.slice(0, -'.md'.length))
    .sort((a, b) => rank(a) - rank(b) || a.localeCompare(b))

  const marked = new Marked({
    renderer: {
      heading({ tokens, depth, text }) {
        return `<h${depth} id="${toSlug(text)}">${this.parser.parseInline(tokens)}</h${depth}>\n`
      },
      link({ href, tokens }) {
        const text = this.parser.parseInline(tokens)
        const [, page = '', fragment = ''] = /^(?:\.\/)?([\w-]+)\.md(#.*)?$/.exec(href) ?? []
        if (names.includes(page)) return `<a href="${basePath}/docs/guide/${page}${fragment}">${text}</a>`
        // Other files of the repository are not served.
        return isExternal(href) || href.startsWith('#') ? `<a href="${escapeHtml(href)}">${text}</a>` : text
      },
      image: ({ text }) => escapeHtml(text),
      html: () => '',
    },
  })
  return names.map((name) => {
    const text = readFileSync(join(folder, `${name}.md`), 'utf8')
    const title = /^# (.+)$/m.exec(text)?.[1] ?? name
    return { name, title, content: marked.parse(text, { async: false }) }
  })
}

/** Serves the guides at /docs/guide. */
export function serveGuides(app: FastifyInstance, folder: string, basePath: string): void {
  const guides = readGuides(folder, basePath)
  const links = guides.map(
    ({ name, title }) => `<li><a href="${basePath}/docs/guide/${name}">${escapeHtml(title)}</a></li>`,
  )
  const schema = { hide: true }

  app.get('/docs/guide', { schema }, async (_request, reply) =>
    sendPage(reply, basePath, 'Guides', `<h1>Guides</h1>\n<ul>\n${links.join('\n')}\n</ul>\n`),
  )
  app.get<{ Params: { name: string } }>('/docs/guide/:name', { schema }, async ({ params }, reply) => {
    const guide = guides.find(({ name }) => name === params.name)
    if (!guide) throw notFound()
    return sendPage(reply, basePath, guide.title, guide.content)
  })
}
