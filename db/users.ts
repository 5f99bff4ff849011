import { randomBytes } from 'node:crypto'
import { hash } from 'bcryptjs'
import type { Sql } from 'postgres'
import { v7 as uuidv7 } from 'uuid'
import { foldEmail } from '../src/credentials/email.ts'
import { findTarget, withConnection } from './connect.ts'

// What the operator does to one user, as the owner of the database: with MIGRATION_DATABASE_URL from the environment or
// .env, or on the running embedded database.

const usage = `Usage: npm run users -- COMMAND EMAIL
  show            what is known about the user, without secrets and todos
  lock            ends the user's sessions; no login, refresh or token works until unlock
  unlock          allows them again
  end-sessions    ends all sessions; personal access tokens stay
  reset-password  sets a random password, which is printed, and ends all sessions
  reset-totp      turns off the second factor of a user who has lost it
  delete          deletes the user and all their data
The user finds all but show and delete in the account activity. Exits with 1 if the email is unknown, and with 2 if the
command could not run.`

const done: Record<string, string> = {
  lock: 'is locked, and their sessions have ended.',
  unlock: 'is no longer locked.',
  'end-sessions': 'has no session any more.',
  'reset-password': 'has a new password, and their sessions have ended.',
  'reset-totp': 'has no second factor any more.',
  delete: 'is deleted, with all their data.',
}
/** The cost of the password's hash. The next login replaces it by one of the API's BCRYPT_COST. */
const COST = 12

interface User {
  email: string
  [name: string]: unknown
}

async function main(): Promise<number> {
  const [command = '', email = '', ...rest] = process.argv.slice(2)
  if (command !== 'show' && !Object.hasOwn(done, command)) return fail(usage)
  if (!email || rest.length > 0) return fail(usage)
  return withConnection(findTarget(['MIGRATION_DATABASE_URL']), async (sql) => {
    const folded = foldEmail(email)
    const [user] = await sql<User[]>`select * from app.show_user(${folded})`
    if (!user) {
      console.error(`No user has the email ${email}.`)
      return 1
    }
    if (command === 'show') console.log(toText(user))
    else console.log(await operate(sql, command, user, folded))
    return 0
  })
}

/** @returns what to tell the operator */
async function operate(sql: Sql, command: string, { email }: User, folded: string): Promise<string> {
  const password = randomBytes(15).toString('base64url')
  const newHash = command === 'reset-password' ? await hash(password, COST) : null
  await sql`select app.operate_on_user(${command}, ${folded}, ${newHash}, ${uuidv7()})`
  const sentence = `${email} ${done[command]}`
  return newHash ? `${sentence}\nThe password, which is not shown again: ${password}` : sentence
}

const toText = (user: User): string =>
  Object.entries(user)
    .map(([name, value]) => [name, value instanceof Date ? value.toISOString() : (value ?? '-')])
    .map(([name, value]) => `${name}`.padEnd(16) + value)
    .join('\n')

function fail(message: string): number {
  console.error(message)
  return 2
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 2
}
