import type { Sql } from 'postgres'
import { v7 as uuidv7 } from 'uuid'
import { foldEmail } from '../src/credentials/email.ts'
import { createSecret, sha256, writeToken } from '../src/credentials/opaque-tokens.ts'
import { findTarget, withConnection } from './connect.ts'

// What the operator does to one user, as the owner of the database: with MIGRATION_DATABASE_URL from the environment or
// .env, or on the running embedded database.

const usage = `Usage: npm run users -- COMMAND EMAIL
  show            what is known about the user, without secrets and todos
  lock            ends the user's sessions; no login, refresh or token works until unlock
  unlock          allows them again
  end-sessions    ends all sessions; personal access tokens stay
  reset-password  ends the password and all sessions, and prints a link for the user to choose a new password
  reset-totp      turns off the second factor of a user who has lost it
  delete          deletes the user and all their data
The user finds all but show and delete in the account activity. Exits with 1 if the email is unknown, and with 2 if the
command could not run.`

const done: Record<string, string> = {
  lock: 'is locked, and their sessions have ended.',
  unlock: 'is no longer locked.',
  'end-sessions': 'has no session any more.',
  'reset-password': 'can no longer use their password, and their sessions have ended.',
  'reset-totp': 'has no second factor any more.',
  delete: 'is deleted, with all their data.',
}

interface User {
  id: string
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
async function operate(sql: Sql, command: string, { id, email }: User, folded: string): Promise<string> {
  const secret = createSecret()
  const resetHash = command === 'reset-password' ? sha256(secret) : null
  await sql`select app.operate_on_user(${command}, ${folded}, ${resetHash}, ${uuidv7()})`
  const sentence = `${email} ${done[command]}`
  if (!resetHash) return sentence
  const { PUBLIC_URL, BASE_PATH = '' } = process.env
  const link = `${PUBLIC_URL || BASE_PATH}/link#${writeToken('reset', id, secret)}`
  return `${sentence}\nPass this link on to them. It works once, within 30 minutes, and is not shown again: ${link}`
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
