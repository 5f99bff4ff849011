import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { childEnvironment } from '../child-environment.ts'

/** The account that runs a program; by default that of this process. */
export interface Account {
  uid?: number
  gid?: number
}
interface Options extends Account {
  cwd?: string
  /** Additional environment variables. */
  env?: Record<string, string>
}

/** Runs a program and waits for it. @throws {Error} with its last line of output when it fails */
export async function runProgram(program: string, args: string[], { env, ...options }: Options = {}) {
  return promisify(execFile)(program, args, { ...options, env: childEnvironment(env) }).catch((error) => {
    const [line] = `${error.stderr ?? ''}`.trim().split('\n').slice(-1)
    throw new Error(line || error.message, { cause: error })
  })
}
