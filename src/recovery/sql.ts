import type { Tx } from '../database/transaction.ts'
import type { Client } from '../http/schemas.ts'

/** Notes that somebody forgot a password. The same statement for every email, registered or not. */
export const requestPasswordReset = (tx: Tx, id: string, emailFolded: string, { ip, user_agent }: Client) =>
  tx`select app.request_password_reset(${id}, ${emailFolded}, ${ip}, ${user_agent})`

/** Mails the current user a link that confirms the address; null when the token lacks the scope. */
export const sendVerification = (tx: Tx) =>
  tx<{ result: 'queued' | 'verified' | 'limited' | null }>`select app.send_verification() as result`

interface MailedToken {
  user_id: string
  secret: Buffer
}

/** The email of the account that a token is for; null when the token is not valid. */
export const findResetEmail = (tx: Tx, { user_id, secret }: MailedToken) =>
  tx<{ email: string | null }>`select app.find_reset_email(${user_id}, ${secret}) as email`

interface Reset {
  passwordHash: string
  revokeTokens: boolean
  eventId: string
}

export const resetPassword = (tx: Tx, { user_id, secret }: MailedToken, reset: Reset, client: Client) =>
  tx<{ done: boolean }>`
    select app.reset_password(${user_id}, ${secret}, ${reset.passwordHash}, ${reset.revokeTokens}, ${reset.eventId},
                              ${client.ip}, ${client.user_agent}) as done`

export const verifyEmail = (tx: Tx, { user_id, secret }: MailedToken, eventId: string, client: Client) =>
  tx<{ done: boolean }>`
    select app.verify_email(${user_id}, ${secret}, ${eventId}, ${client.ip}, ${client.user_agent}) as done`

export const undoEmailChange = (tx: Tx, { user_id, secret }: MailedToken, eventId: string, client: Client) =>
  tx<{ done: boolean }>`
    select app.undo_email_change(${user_id}, ${secret}, ${eventId}, ${client.ip}, ${client.user_agent}) as done`
