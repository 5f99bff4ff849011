import { hashSync } from 'bcryptjs'

/**
 * Runs in a worker thread: bcrypt would block the event loop for its whole duration.
 * JavaScript, so that the thread starts at once, without the loader of TypeScript.
 * @param {{ password: string, salts: string[] }} task
 */
export default ({ password, salts }) => salts.map((salt) => hashSync(password, salt))
