import t from 'tap'
import { cleanDetail, renderMail } from '../../src/mail/render.ts'
import { addressOf, sendMail } from '../../src/mail/sender.ts'
import { mailTexts, tokenOf } from '../../src/mail/texts.ts'
import type { Message } from '../../src/mail/transport.ts'

const content = {
  params: {},
  created_at: '2026-11-25T12:34:56.789Z',
  token: 'todo_reset_x',
  publicUrl: 'https://todo.example.com',
}

t.test('renders every kind as text and as HTML without images, scripts or foreign links', async (t) => {
  for (const kind of Object.keys(mailTexts)) {
    const { text, html, url } = renderMail({ ...content, kind })
    t.notMatch(html, /<(img|script|style|link|iframe)/i, kind)
    for (const [, link] of html.matchAll(/href="([^"]*)"/g))
      t.match(link, /^https:\/\/todo\.example\.com/, kind)
    t.equal(text.includes('/link#todo_reset_x'), url !== undefined, kind)
    t.equal(html.includes('/link#todo_reset_x'), url !== undefined, kind)
    t.equal(text.includes('When: 2026-11-25 12:34 UTC'), url === undefined, kind)
  }
  t.throws(() => renderMail({ ...content, kind: 'toString' }), /no text/)
  t.equal(tokenOf('toString'), undefined)
})

t.test('shows what others chose without links or markup', async (t) => {
  const agent = 'Mozilla/5.0 (X11; Linux x86_64) Chrome/142.0.0.0'
  t.equal(cleanDetail(agent), agent)
  for (const bait of ['https://evil.example/x', 'www.evil.example', 'mailto:x@evil.example', 'a\r\nBcc: b'])
    t.notMatch(cleanDetail(bait), /:\/\/|\w\.\p{L}|@evil|[\r\n]/u, bait)
  t.ok(cleanDetail('x'.repeat(1000)).length < 200)
  const params = { name: '<b>bold</b>', user_agent: agent, ip: '192.0.2.1', change: null, other: 'hidden' }
  const { html, text } = renderMail({ ...content, kind: 'token_created', params })
  t.notMatch(html, /<b>|hidden/)
  t.match(text, 'From: 192.0.2.1')
  t.match(text, `Client: ${agent}`)
})

t.test('cannot be made to write a header', async (t) => {
  let sent: Message | undefined
  const options = {
    transport: async (message: Message) => {
      sent = message
    },
    from: 'TODO API <todo@example.com>',
    publicUrl: 'https://todo.example.com',
  }
  const queued = {
    user_id: 'u',
    id: 'm',
    kind: 'token_created',
    recipient: 'ada@example.com\r\nBcc: eve@example.com\r\n\r\nbody',
    params: { name: 'x\r\nBcc: eve@example.com' },
    attempts: 1,
    created_at: content.created_at,
  }
  t.match(await sendMail(queued, undefined, options), { outcome: 'sent' })
  t.match(await sendMail({ ...queued, kind: 'unknown' }, undefined, options), { outcome: 'rejected' })
  const head = `${sent?.content}`.split('\r\n\r\n', 1)[0]
  t.notMatch(head, /^bcc:/im)
  t.match(head, /^To: /m)
})

t.test('finds the address of the sender', async (t) => {
  t.equal(addressOf('TODO API <todo@example.com>'), 'todo@example.com')
  t.equal(addressOf(' todo@example.com '), 'todo@example.com')
})
