import { hashSync } from 'bcryptjs'

/** Loads the 49,000 most common passwords, in lower case; only when a new password is checked. */
const loadCommon = async () => {
  const { dictionary } = await import('@zxcvbn-ts/language-common')
  return new Set(dictionary['passwords-common'])
}
/** @type {Promise<Set<string | number>> | undefined} */
let common

/**
 * Runs in a worker thread, because bcrypt blocks its thread. JavaScript, so that the thread starts without a TypeScript
 * loader.
 * @param {{ password: string, salts: string[], refuseCommon?: string }} task
 * @returns the hash with the first salt; undefined when `refuseCommon` is a common password
 */
export default async ({ password, salts, refuseCommon }) => {
  if (refuseCommon) {
    common ??= loadCommon()
    if ((await common).has(refuseCommon)) return
  }
  const [first] = salts.map((salt) => hashSync(password, salt))
  return first
}
