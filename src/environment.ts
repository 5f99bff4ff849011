import { readFileSync } from 'node:fs'
import { parse } from 'dotenv'

/**
 * Variables that the drivers and dbmate read by themselves, and that could override the URL. PGPASSWORD stays, for a
 * URL without a password.
 */
const DRIVER_VARIABLES = /^(PG(?!PASSWORD$)|DBMATE_)/i

/**
 * Reads .env files into process.env and removes the variables that only PostgreSQL's own tools use. Existing variables
 * win over files, earlier files over later ones. Missing files are skipped.
 * @throws {Error} a one-line message that names the file, never a value
 */
export function loadEnvironment(files: readonly string[] = ['.env']): void {
  for (const file of files) {
    for (const [name, value] of Object.entries(readVariables(file))) process.env[name] ??= value
  }
  for (const name of Object.keys(process.env).filter((name) => DRIVER_VARIABLES.test(name)))
    delete process.env[name]
}

/** With dotenv, which unlike Node's loadEnvFile copes with byte order marks, tabs and trailing spaces. */
function readVariables(file: string): Record<string, string> {
  let bytes: Buffer
  try {
    bytes = readFileSync(file)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return {}
    throw new Error(`The file ${file} cannot be read (${code}): change its permissions, or remove it.`, {
      cause: error,
    })
  }
  // In UTF-16 every ASCII character has a zero byte.
  if (bytes.includes(0))
    throw new Error(`The file ${file} is not UTF-8 text, probably UTF-16: save it as UTF-8.`)
  return parse(bytes.toString('utf8'))
}
