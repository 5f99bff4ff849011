/** The text of one kind of mail. */
export interface MailText {
  subject: string
  /** Paragraphs before the link or the details. */
  intro: string[]
  /** The label of the link, for a kind whose mails carry a token. */
  link?: string
  /** Paragraphs after them. */
  outro: string[]
}

const NOT_YOU =
  'If this was not you, somebody knows your password or has one of your devices: change your password now, which ends every other session, and revoke the tokens that you do not know.'
const IGNORE = 'If this was not you, ignore this mail.'

/** What each kind of mail says. The kinds are those of the constraint mails_kind_known. */
export const mailTexts = {
  verify_email: {
    subject: 'Confirm your email address',
    intro: ['Please confirm that this is the address of your account.'],
    link: 'Confirm the address',
    outro: ['The link works once, within one day. If you did not register, ignore this mail.'],
  },
  confirm_email: {
    subject: 'Confirm your new email address',
    intro: ['Please confirm this address. It then becomes the address of your account.'],
    link: 'Confirm the new address',
    outro: ['The link works once, within one day.', IGNORE],
  },
  reset_password: {
    subject: 'Choose a new password',
    intro: ['A new password was requested for your account. Follow the link to choose it.'],
    link: 'Choose a new password',
    outro: ['The link works once, within 30 minutes.', `${IGNORE} Your password has not changed.`],
  },
  already_registered: {
    subject: 'You already have an account',
    intro: ['Somebody tried to register with this address, which already has an account.'],
    outro: ['If it was you, log in, or request a new password if you have forgotten yours.', IGNORE],
  },
  login_from_new_device: {
    subject: 'New login to your account',
    intro: ['Somebody logged in to your account from a device that had not been used before.'],
    outro: ['If it was you, there is nothing to do.', NOT_YOU],
  },
  session_ended: {
    subject: 'A session was ended for your safety',
    intro: [
      'A refresh token of your account was used twice, so it may have been stolen. Its session was ended.',
    ],
    outro: ['Log in again on the device concerned.', NOT_YOU],
  },
  password_changed: {
    subject: 'Your password was changed',
    intro: ['The password of your account was changed.'],
    outro: ['If this was not you, request a new password at once.'],
  },
  email_changed: {
    subject: 'Your email address was changed',
    intro: ['Your account now has another email address, and this one is no longer used.'],
    link: 'Undo the change',
    outro: [
      'If it was you, there is nothing to do. Otherwise follow the link within seven days: it restores this address and ends every session. Then request a new password.',
    ],
  },
  second_factor_changed: {
    subject: 'The second factor of your account was changed',
    intro: ['The second factor that protects the login to your account was changed.'],
    outro: [NOT_YOU],
  },
  token_created: {
    subject: 'A personal access token was created',
    intro: ['A personal access token was created for your account.'],
    outro: [NOT_YOU],
  },
} as const satisfies Record<string, MailText>

export type MailKind = keyof typeof mailTexts
