import MailComposer from 'nodemailer/lib/mail-composer'
import { type RenderedMail, renderMail } from './render.ts'
import type { Outcome, QueuedMail } from './sql.ts'
import { isRejection, type Message, type Transport } from './transport.ts'

export interface SenderOptions {
  transport: Transport
  /** MAIL_FROM: an address, with or without a name. */
  from: string
  publicUrl: string
}

interface Attempt {
  outcome: Outcome
  /** Why it was not sent. */
  error?: unknown
  mail?: RenderedMail
}

/**
 * Renders a queued mail and hands it to the transport. Does not throw.
 * @param token what its link carries
 */
export async function sendMail(
  queued: QueuedMail,
  token: string | undefined,
  options: SenderOptions,
): Promise<Attempt> {
  let message: Message
  let mail: RenderedMail
  try {
    mail = renderMail({ ...queued, token, publicUrl: options.publicUrl })
    message = await compose(queued, mail, options.from)
  } catch (error) {
    return { outcome: 'rejected', error }
  }
  try {
    await options.transport(message)
    return { outcome: 'sent', mail }
  } catch (error) {
    return { outcome: isRejection(error) ? 'rejected' : 'retry', error }
  }
}

/** The address in MAIL_FROM. */
export const addressOf = (from: string): string => /<([^<>]+)>\s*$/.exec(from)?.[1] ?? from.trim()

/** The Message-ID is the same in every attempt, so that a mail that arrives twice can be recognised. */
async function compose(
  { id, recipient, created_at }: QueuedMail,
  { subject, text, html }: RenderedMail,
  from: string,
): Promise<Message> {
  const sender = addressOf(from)
  const composer = new MailComposer({
    from,
    to: { name: '', address: recipient },
    subject,
    text,
    html,
    date: new Date(created_at),
    messageId: `<${id}@${sender.slice(sender.lastIndexOf('@') + 1)}>`,
    // RFC 3834: no automatic replies.
    headers: { 'Auto-Submitted': 'auto-generated' },
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  return { id, from: sender, to: recipient, content: await composer.compile().build() }
}
