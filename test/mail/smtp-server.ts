import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import type { Test } from 'tap'

export interface ReceivedMail {
  from: string
  to: string[]
  content: string
}

/** A mail server on the loopback interface, and the mails that it has accepted. */
export async function startSmtpServer(t: Test, options: SMTPServerOptions = {}) {
  const mails: ReceivedMail[] = []
  const server = new SMTPServer({
    authOptional: true,
    disableReverseLookup: true,
    onData: async (stream, { envelope }, done) => {
      const content = await text(stream)
      const { mailFrom, rcptTo } = envelope
      mails.push({
        from: mailFrom ? mailFrom.address : '',
        to: rcptTo.map(({ address }) => address),
        content,
      })
      done()
    },
    ...options,
  })
  // A client that cuts the connection is an error to the server.
  server.on('error', () => {})
  const listening = server.listen(0, '127.0.0.1')
  await once(listening, 'listening')
  t.teardown(() => new Promise<void>((resolve) => server.close(resolve)))
  const { port } = listening.address() as AddressInfo
  return { port, mails, server }
}

/** The value of a header of a message. */
export const header = (content: string, name: string): string | undefined =>
  new RegExp(`^${name}: (.*)$`, 'mi').exec(content.replaceAll(/\r\n[ \t]+/g, ' '))?.[1]

/** The text of a message, with quoted-printable decoded where it is ASCII. */
export const decode = (content: string): string =>
  content
    .replaceAll(/=\r\n/g, '')
    .replaceAll(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
