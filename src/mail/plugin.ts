import fp from 'fastify-plugin'
import type { Config } from '../config.ts'
import { createMailSecrets } from '../credentials/mail-secrets.ts'
import { firstOrNotFound } from '../http/errors.ts'
import { sendMail } from './sender.ts'
import { claimMails, countMails, finishMail, type QueuedMail, removeOldMails } from './sql.ts'
import { createTransport, type TransportOptions } from './transport.ts'

declare module 'fastify' {
  interface FastifyInstance {
    mail: Mail
  }
}

export interface Mail {
  /** Whether MAIL_URL is set. */
  readonly enabled: boolean
  /** Encrypts a token for the outbox. */
  seal(token: string): string
  /** Sends all mails that are due. @returns the number of attempts */
  sendDue(): Promise<number>
  /** Sends in the background what a request has queued. */
  wake(): void
  /** Attempts since the start of this process, by outcome. */
  readonly outcomes: Readonly<Record<'sent' | 'retry' | 'given_up', number>>
  /** The number of mails that wait, and the age of the oldest in seconds. */
  count(): Promise<{ waiting: number; oldest_seconds: number }>
}

const INTERVAL_MS = 5_000
const CLEANUP_INTERVAL_MS = 10 * 60_000
/** Mails that one process sends at the same time. */
const BATCH_SIZE = 5
/** Longer than the attempt of a slow server may take, in seconds. */
const LEASE_SECONDS = 300
const CLEANUP_BATCH = 500

/** Sends the mails of the outbox. Any number of replicas may do so. */
export default fp<{ config: Config; transport?: TransportOptions }>(
  async (app, { config, transport: options }) => {
    const secrets = createMailSecrets(config)
    const enabled = config.MAIL_URL !== ''
    const transport = enabled ? createTransport(config.MAIL_URL, options) : undefined
    const outcomes = { sent: 0, retry: 0, given_up: 0 }
    const publicUrl = () => config.PUBLIC_URL || `${app.listeningOrigin}${config.BASE_PATH}`

    async function attempt(queued: QueuedMail, send: NonNullable<typeof transport>): Promise<void> {
      const sender = { transport: send, from: config.MAIL_FROM, publicUrl: publicUrl(), secrets }
      const { outcome, error, mail } = await sendMail(queued, sender)
      const { state } = firstOrNotFound(
        await app.database.withoutUser((tx) => finishMail(tx, secrets, queued, outcome)),
      )
      if (state !== 'unknown') outcomes[state]++
      const line = { mail: queued.id, kind: queued.kind, attempt: queued.attempts }
      if (outcome !== 'sent')
        app.log[state === 'given_up' ? 'error' : 'warn']({ ...line, err: error }, 'mail not sent')
      // In a folder nobody is notified of the mail, so that the log has its link.
      else
        app.log.info(
          { ...line, ...(config.MAIL_URL.startsWith('file:') && { link: mail?.url }) },
          'mail sent',
        )
    }

    async function sendDue(): Promise<number> {
      // Without MAIL_URL nothing is taken, but the sender becomes known, so that nobody else can become it.
      const batch = transport ? BATCH_SIZE : 0
      let total = 0
      for (;;) {
        const due = await app.database.withoutUser((tx) => claimMails(tx, secrets, batch, LEASE_SECONDS))
        if (transport) await Promise.all(due.map((queued) => attempt(queued, transport)))
        total += due.length
        if (due.length < BATCH_SIZE) return total
      }
    }

    let running: Promise<unknown> | undefined
    let isWoken = false
    /** One run at a time; a call meanwhile causes one more. */
    function wake(): void {
      isWoken = true
      running ??= (async () => {
        while (isWoken) {
          isWoken = false
          await sendDue().catch((error) => app.log.error({ err: error }, 'the outbox could not be read'))
        }
        running = undefined
      })()
    }

    async function removeOld(): Promise<void> {
      for (let more = true; more; ) {
        const rows = await app.database.withoutUser((tx) => removeOldMails(tx, CLEANUP_BATCH))
        const { removed, unsent } = firstOrNotFound(rows)
        if (unsent > 0) app.log.warn({ unsent }, 'old mails removed that were not sent')
        more = removed === CLEANUP_BATCH
      }
    }
    const cleanUp = () =>
      removeOld().catch((error) => app.log.warn({ err: error }, 'old mails could not be removed'))

    app.decorate('mail', {
      enabled,
      seal: secrets.seal,
      sendDue,
      wake: () => enabled && setImmediate(wake),
      outcomes,
      count: async () => firstOrNotFound(await app.database.withoutUser(countMails)),
    })
    const timers: NodeJS.Timeout[] = []
    app.addHook('onListen', async () => {
      timers.push(setInterval(cleanUp, CLEANUP_INTERVAL_MS).unref())
      if (enabled) timers.push(setInterval(wake, INTERVAL_MS).unref())
      wake()
      void cleanUp()
    })
    app.addHook('preClose', async () => {
      for (const timer of timers) clearInterval(timer)
      isWoken = false
      await running
    })
  },
  { name: 'mail', dependencies: ['database'] },
)
