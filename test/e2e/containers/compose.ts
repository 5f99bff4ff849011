import { readFileSync } from 'node:fs'
import { parse } from 'yaml'

interface Service {
  image?: string
  build?: string
  user?: string
  profiles?: string[]
  command?: string[]
  environment?: Record<string, string>
  configs?: { source: string; target: string }[]
  ports?: string[]
  depends_on?: Record<string, { condition: string }>
  read_only?: boolean
  cap_drop?: string[]
  security_opt?: string[]
}
export interface Compose {
  services: Record<string, Service>
  configs: Record<string, { content: string }>
}

/** The four that compose.yaml demands. */
export const secrets = {
  POSTGRES_PASSWORD: 'superuser',
  OWNER_PASSWORD: 'owner',
  LOGIN_PASSWORD: 'login',
  JWT_SECRET: 'x'.repeat(32),
}

/**
 * compose.yaml with its variables filled in, as Docker Compose does it.
 * @throws {Error} with the file's own words when a variable that it demands is not set
 */
export function readCompose(env: Record<string, string>): Compose {
  const text = readFileSync('compose.yaml', 'utf8').replaceAll(
    /\$\{(\w+):([-?+])([^}]*)\}/g,
    (_, name: string, kind, rest) => {
      if (kind === '+') return env[name] ? rest : ''
      const value = env[name] || (kind === '-' ? rest : undefined)
      if (value === undefined) throw new Error(rest)
      return value
    },
  )
  return parse(text, { merge: true })
}
