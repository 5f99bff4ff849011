import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { childEnvironment } from '../child-environment.ts'

/** Who runs a program: whoever runs this process, or another account. */
export interface Account {
  uid?: number
  gid?: number
}
interface Options extends Account {
  cwd?: string
  /** Variables beside those that every program gets. */
  env?: Record<string, string>
}

/** Runs a program to its end. @throws {Error} of its last line of output when it fails */
export async function run(program: string, args: string[], { env, ...options }: Options = {}) {
  return promisify(execFile)(program, args, { ...options, env: childEnvironment(env) }).catch((error) => {
    const [line] = `${error.stderr ?? ''}`.trim().split('\n').slice(-1)
    throw new Error(line || error.message, { cause: error })
  })
}
