import { hashSync } from 'bcryptjs'

/** Runs in a worker thread: bcrypt would block the event loop for its whole duration. */
export default ({ password, salts }: { password: string; salts: string[] }): string[] =>
  salts.map((salt) => hashSync(password, salt))
