import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbedded } from '../../db/embedded.ts'

export interface Service {
  /** Sends JSON and answers the status, and the milliseconds until the whole answer was there. */
  time(method: string, path: string, body?: object, token?: string): Promise<{ status: number; ms: number }>
  /** Sends JSON and answers JSON. */
  ask(method: string, path: string, body?: object, token?: string): Promise<Record<string, string>>
}

/** Runs work against the production build, as a process of its own on an embedded PostgreSQL of its own. */
export async function withService(env: Record<string, string>, work: (service: Service) => Promise<void>) {
  const folder = mkdtempSync(join(tmpdir(), 'todo-api-bench-'))
  const embedded = await startEmbedded(folder)
  const server = spawn(process.execPath, ['dist/src/server.js'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      DATABASE_URL: embedded.databaseUrl,
      JWT_SECRET: embedded.jwtSecret,
      HOST: '127.0.0.1',
      PORT: '0',
      LOG_LEVEL: 'silent',
      RATE_LIMIT_REGISTER: '0',
      RATE_LIMIT_LOGIN: '0',
      RATE_LIMIT_LOGIN_ACCOUNT: '0',
      RATE_LIMIT_API: '0',
      ...env,
    },
  })
  const ended = new Promise((resolve) => server.once('exit', resolve))
  try {
    await work(createClient(await readAddress(server.stdout)))
  } finally {
    server.kill('SIGTERM')
    await ended
    await embedded.stop()
    rmSync(folder, { recursive: true })
  }
}

async function readAddress(output: AsyncIterable<Buffer>): Promise<string> {
  let said = ''
  for await (const chunk of output) {
    said += chunk
    const [, address] = / {2}API +(\S+)/.exec(said) ?? []
    if (address) return address
  }
  throw new Error('The service did not start.')
}

function createClient(api: string): Service {
  const send = (method: string, path: string, body?: object, token?: string) =>
    fetch(api + path, {
      method,
      headers: {
        ...(body && { 'content-type': 'application/json' }),
        ...(token && { authorization: `Bearer ${token}` }),
      },
      ...(body && { body: JSON.stringify(body) }),
    })
  return {
    async time(...request) {
      const start = performance.now()
      const answer = await send(...request)
      await answer.arrayBuffer()
      return { status: answer.status, ms: performance.now() - start }
    },
    ask: async (...request) => (await (await send(...request)).json()) as Record<string, string>,
  }
}
