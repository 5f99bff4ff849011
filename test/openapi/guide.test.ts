import { join } from 'node:path'
import t from 'tap'
import { readGuides } from '../../src/openapi/guide.ts'
import { problem, setUp } from '../support/app.ts'

t.test('serves each page of the documentation', async (t) => {
  const { app } = await setUp(t)
  const index = await app.inject('/docs/guide')
  t.match(index.headers['content-type'], /^text\/html/)
  const links = [...index.body.matchAll(/href="(\/docs\/guide\/[^"]+)"/g)].map(([, link]) => `${link}`)
  t.ok(links.length > 0)
  for (const link of links) {
    const page = await app.inject(link)
    t.equal(page.statusCode, 200)
    t.match(page.headers['content-security-policy'], "default-src 'none'")
    t.match(page.body, '<h1 id="')
  }
  problem(t, await app.inject('/docs/guide/unknown'), 404, 'not_found')
})

t.test('reads Markdown: pages in order, links among them, no HTML, no images', async (t) => {
  const folder = t.testdir({
    'zebra.md': 'no heading',
    'yak.md': 'no heading',
    'api.md':
      '# The API\n\n## Rate limits, `429`\n\n[z](zebra.md#a) [s](../src/app.ts) [e](https://example.com) [h](#x) ![pic](a.png) <b onclick="x">b</b>',
    'picture.png': '',
  })
  const guides = readGuides(folder, '/base')
  t.same(
    guides.map(({ name, title }) => [name, title]),
    [
      ['api', 'The API'],
      ['yak', 'yak'],
      ['zebra', 'zebra'],
    ],
  )
  const content = `${guides[0]?.content}`
  t.match(content, '<h2 id="rate-limits-429">Rate limits, <code>429</code></h2>')
  t.match(
    content,
    '<a href="/base/docs/guide/zebra#a">z</a> s <a href="https://example.com">e</a> <a href="#x">h</a> pic b',
  )
  t.same(readGuides(join(folder, 'none'), ''), [])
})
