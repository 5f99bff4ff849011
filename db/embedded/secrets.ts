import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeSecretFile } from './files.ts'

const names = ['superuser', 'owner', 'login', 'jwt'] as const
type Secrets = Record<(typeof names)[number], string>

/**
 * Reads the passwords of the embedded database and the secret of the tokens, and makes them before there is a
 * database.
 * @throws {Error} one sentence when they are missing or damaged, and there is a database that needs them
 */
export function loadSecrets(folder: string): Secrets {
  const path = join(folder, 'secrets.json')
  const known = readSecrets(path)
  if (known) return known
  if (existsSync(join(folder, 'postgres/data')))
    throw new Error(
      `${path} is missing or damaged, and the database beside it cannot be opened without it: restore the file, or remove ${folder} and all its data.`,
    )
  const made = Object.fromEntries(
    names.map((name) => [name, randomBytes(32).toString('base64url')]),
  ) as Secrets
  writeSecretFile(path, JSON.stringify(made))
  return made
}

function readSecrets(path: string): Secrets | undefined {
  const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
  try {
    const secrets = JSON.parse(text)
    return names.every((name) => typeof secrets[name] === 'string' && secrets[name] !== '')
      ? secrets
      : undefined
  } catch {
    return undefined
  }
}
