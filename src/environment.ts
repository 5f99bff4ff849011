import { readFileSync } from 'node:fs'
import { parse } from 'dotenv'

/**
 * What the drivers and dbmate would read behind our back. The URL alone says where the database is and how to connect
 * to it; PGPASSWORD stays, for a URL without a password.
 */
const FOREIGN = /^(PG(?!PASSWORD$)|DBMATE_)/i

/**
 * Reads files of variables into process.env, and removes the variables that PostgreSQL's own tools use. A variable
 * that is set comes first, then the file that is named first; a file that does not exist is none.
 * @throws {Error} one sentence that names the file, never a value
 */
export function loadEnvironment(files: readonly string[] = ['.env']): void {
  for (const file of files) {
    for (const [name, value] of Object.entries(readVariables(file))) process.env[name] ??= value
  }
  for (const name of Object.keys(process.env).filter((name) => FOREIGN.test(name))) delete process.env[name]
}

/** dotenv reads what editors write and Node's loadEnvFile does not: byte order marks, tabs, trailing spaces. */
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
  // UTF-16 puts a zero byte beside every ASCII character.
  if (bytes.includes(0))
    throw new Error(`The file ${file} is not UTF-8 text, but probably UTF-16: save it as UTF-8.`)
  return parse(bytes.toString('utf8'))
}
