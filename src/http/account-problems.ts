import type { ProblemCode } from './errors.ts'

/** What a reader needs to know about one problem. */
export interface Guide {
  meaning: string
  causes: readonly string[]
  remedy: string
}

/** The problems of accounts: addresses, second factors, locks and quotas: part of `problemGuide`. */
export const accountProblems = {
  email_taken: {
    meaning: 'Another account uses this email address. Letter case is ignored.',
    causes: ['You have registered before.'],
    remedy: 'Log in, or use another address.',
  },
  code_required: {
    meaning: 'The password is right, and the account has a second factor: the login needs a code as well.',
    causes: ['The member `code` is missing.'],
    remedy:
      'Send the login again with `code`: the six digits that the authenticator app shows, or one of the recovery codes.',
  },
  invalid_code: {
    meaning: 'The password is right, but the code is not.',
    causes: [
      'The code is mistyped, or older than a minute.',
      'Each code works once, and this one was used: wait for the next.',
      'The clock of the device with the authenticator app is wrong.',
    ],
    remedy:
      'Send the code that the app shows now, or a recovery code. After five wrong codes in 15 minutes the login is refused until they are over.',
  },
  account_locked: {
    meaning: 'The operator of the service has locked the account. Its tokens do not work either.',
    causes: ['The account was misused, or its owner asked for it.'],
    remedy: 'Ask the operator. Nothing in the account is deleted.',
  },
  totp_enabled: {
    meaning: 'The account has a second factor already, and can have only one.',
    causes: ['It was turned on before, perhaps on another device.'],
    remedy: 'To use another authenticator app, turn the second factor off with `DELETE /me/totp` first.',
  },
  quota_exceeded: {
    meaning:
      'The account has as many todos or personal access tokens as it can have. `detail` names the limit.',
    causes: ['A script creates objects and never deletes them.', 'Expired tokens, which count for 30 days.'],
    remedy: 'Delete what is no longer needed, then send the request again.',
  },
} as const satisfies Partial<Record<ProblemCode, Guide>>
