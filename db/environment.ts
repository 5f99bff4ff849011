import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** Reads .env and, where the embedded database runs, its addresses; what the environment says comes first. */
export function loadEnvironment(): void {
  const files = ['.env', join(process.env.DATA_DIR || '.data', 'env')]
  for (const file of files.filter((name) => existsSync(name))) process.loadEnvFile(file)
}
