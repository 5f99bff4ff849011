import { createRequire } from 'node:module'

/** Version and description are kept in package.json alone. */
export const about = createRequire(import.meta.url)('todo-api/package.json') as {
  version: string
  description: string
}
