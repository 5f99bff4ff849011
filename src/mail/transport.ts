import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ConnectionOptions } from 'node:tls'
import { fileURLToPath } from 'node:url'
import SMTPConnection from 'nodemailer/lib/smtp-connection'

/** A complete message (RFC 5322) and its envelope (RFC 5321). */
export interface Message {
  id: string
  from: string
  to: string
  content: Buffer
}

/** Hands a message to a mail server. Rejects when it may not have accepted the message. */
export type Transport = (message: Message) => Promise<void>

export interface TransportOptions {
  /** For a mail server with a certificate of its own. */
  tls?: ConnectionOptions
  /** The time for one message, in milliseconds: afterwards the connection is cut. */
  timeout?: number
}

/** Shorter than the lease, so that no other sender has the mail while this one may still deliver it. */
export const SEND_TIMEOUT_MS = 60_000

/**
 * Creates the transport for MAIL_URL: smtps:// for TLS, smtp:// for STARTTLS, which is then required, or with
 * `?tls=none` no encryption; file:// for a folder.
 */
export function createTransport(url: string, options: TransportOptions = {}): Transport {
  const parsed = new URL(url)
  if (parsed.protocol === 'file:') return (message) => writeToFolder(fileURLToPath(parsed), message)
  return (message) => sendBySmtp(parsed, message, options)
}

/** The file gets its name when it is complete. */
async function writeToFolder(folder: string, { id, content }: Message): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const file = join(folder, `${new Date().toISOString().replaceAll(':', '-')}-${id}.eml`)
  await writeFile(`${file}.part`, content, { mode: 0o600 })
  await rename(`${file}.part`, file)
}

/** One connection per message: a pool would send again by itself what a lost connection left in doubt. */
function sendBySmtp(url: URL, message: Message, options: TransportOptions): Promise<void> {
  const secure = url.protocol === 'smtps:'
  const unencrypted = url.searchParams.get('tls') === 'none'
  const connection = new SMTPConnection({
    // Without the brackets of an IPv6 address.
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    // Without a port it is 0, and the default of the protocol is used.
    port: Number(url.port),
    secure,
    requireTLS: !secure && !unencrypted,
    ignoreTLS: unencrypted,
    tls: { minVersion: 'TLSv1.2', ...options.tls },
  })
  return new Promise<void>((resolve, reject) => {
    const settle = (end: () => void) => {
      clearTimeout(timer)
      end()
    }
    const fail = (error: Error) => settle(() => reject(error))
    const timeout = options.timeout ?? SEND_TIMEOUT_MS
    const timer = setTimeout(
      () => fail(new Error(`The mail server did not accept the mail within ${timeout} ms`)),
      timeout,
    )
    const deliver = () =>
      connection.send({ from: message.from, to: [message.to] }, message.content, (error) => {
        if (error) return fail(error)
        settle(resolve)
      })
    connection.on('error', fail)
    connection.on('end', () => fail(new Error('The mail server closed the connection')))
    connection.connect((error) => {
      if (error) return fail(error)
      if (!url.username) return deliver()
      const credentials = { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) }
      connection.login({ credentials }, (refused) => (refused ? fail(refused) : deliver()))
    })
  }).finally(() => connection.close())
}

/** Whether the mail server refused this message for good (RFC 5321, section 4.2.1); a refused login can be repaired. */
export function isRejection(error: unknown): boolean {
  const { code, responseCode } = error as { code?: string; responseCode?: number }
  return ['EENVELOPE', 'EMESSAGE'].includes(`${code}`) && Number(responseCode) >= 500
}
