import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeSecretFile } from './files.ts'

const names = ['superuser', 'owner', 'login', 'jwt'] as const
type Secrets = Record<(typeof names)[number], string>

/**
 * Reads the passwords of the embedded database and the JWT secret; creates them if there is no database yet.
 * @throws {Error} a one-line message when they are missing or damaged and a database exists
 */
export function loadSecrets(folder: string): Secrets {
  const path = join(folder, 'secrets.json')
  const known = readSecrets(path)
  if (known) return known
  if (existsSync(join(folder, 'postgres/data')))
    throw new Error(
      `${path} is missing or damaged, and its database cannot be opened without it: restore the file, or delete ${folder} with all its data.`,
    )
  const created = Object.fromEntries(
    names.map((name) => [name, randomBytes(32).toString('base64url')]),
  ) as Secrets
  writeSecretFile(path, JSON.stringify(created))
  return created
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
