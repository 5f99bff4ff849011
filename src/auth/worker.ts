import { hashSync } from 'bcryptjs'

/** Runs in a worker thread: bcrypt would block the event loop for its whole duration. */
export default ({ password, salt }: { password: string; salt: string }): string => hashSync(password, salt)
