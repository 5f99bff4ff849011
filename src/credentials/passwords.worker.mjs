import { hashSync } from 'bcryptjs'

/** The 49,000 most common passwords, in lower case; only a thread that is asked of new ones unpacks them. */
const loadCommon = async () => {
  const { dictionary } = await import('@zxcvbn-ts/language-common')
  return new Set(dictionary['passwords-common'])
}
/** @type {Promise<Set<string | number>> | undefined} */
let common

/**
 * Runs in a worker thread: bcrypt would block the event loop for its whole duration.
 * JavaScript, so that the thread starts at once, without the loader of TypeScript.
 * @param {{ password: string, salts: string[], refuseCommon?: string }} task
 * @returns the hash with the first salt; undefined, without any work, when `refuseCommon`, in lower case, is a common password
 */
export default async ({ password, salts, refuseCommon }) => {
  if (refuseCommon) {
    common ??= loadCommon()
    if ((await common).has(refuseCommon)) return
  }
  const [first] = salts.map((salt) => hashSync(password, salt))
  return first
}
