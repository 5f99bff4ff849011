import type { Tx } from '../database/transaction.ts'

/** A mail that this process has to send. */
export interface QueuedMail {
  user_id: string
  id: string
  kind: string
  recipient: string
  params: Record<string, string | null>
  attempts: number
  created_at: string
}

/** What proves to the outbox that the API is asking. */
interface Sender {
  sender: Buffer
  previousSender: Buffer | null
}

/** Takes mails that are due; another sender gets them again after the lease, in seconds. */
export const claimMails = (tx: Tx, { sender, previousSender }: Sender, batch: number, lease: number) =>
  tx<QueuedMail>`
    select user_id, id, kind, recipient, params, attempts, created_at
    from app.claim_mails(${sender}, ${previousSender}, ${batch}, ${lease})`

export type Outcome = 'sent' | 'retry' | 'rejected'

/** Records an outcome. Returns `given_up` when the mail will not be tried again. */
export const finishMail = (
  tx: Tx,
  { sender }: Sender,
  { user_id, id, attempts }: QueuedMail,
  outcome: Outcome,
) =>
  tx<{ state: 'sent' | 'retry' | 'given_up' | 'unknown' }>`
    select app.finish_mail(${sender}, ${user_id}, ${id}, ${attempts}, ${outcome}) as state`

/** Removes mails that were queued more than a day ago. */
export const removeOldMails = (tx: Tx, batch: number) =>
  tx<{ removed: number; unsent: number }>`select removed, unsent from app.remove_old_mails(${batch})`

export const countMails = (tx: Tx) =>
  tx<{ waiting: number; oldest_seconds: number }>`select waiting, oldest_seconds from app.count_mails()`
