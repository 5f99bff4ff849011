import { STATUS_CODES } from 'node:http'
import { shorten, tellJson } from './json.ts'
import type { Screen } from './screen.ts'

interface Request {
  /** In which `$NAME` stands for a value that was kept. */
  path: string
  /** When it is left out: POST with a body, else GET. */
  method?: 'POST' | 'PATCH' | 'DELETE'
  /** Under which name the bearer token was kept. */
  as?: string
  body?: object
}
interface Answer<Body> {
  status: number
  headers: Headers
  text: string
  body: Body
}
/** Which headers and members of an answer are printed. */
interface Told {
  headers?: string[]
  members?: string[]
}

export type Curl = ReturnType<typeof createCurl>

/** Sends requests; prints each as the curl command that sends the same, and its answer. */
export function createCurl(screen: Screen, signal: AbortSignal) {
  const kept: Record<string, string> = {}
  const expand = (text: string) => text.replaceAll(/\$([A-Z]+)/g, (_, name) => `${kept[name]}`)

  /** Keeps a value under a name, as a shell does. */
  async function keep(name: string, value: string): Promise<void> {
    kept[name] = value
    await screen.command('$ ', `${name}=${shorten(value)}`)
  }

  /** Sends, and prints nothing. */
  async function send<Body = { code: string }>(request: Request): Promise<Answer<Body>> {
    const { path, body, method = body ? 'POST' : 'GET', as } = request
    const answer = await fetch(expand(`$API${path}`), {
      method,
      signal,
      headers: {
        ...(as && { authorization: expand(`Bearer $${as}`) }),
        ...(body && { 'content-type': 'application/json', accept: 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    return { status: answer.status, headers: answer.headers, text, body: text && JSON.parse(text) }
  }

  /** Sends, prints, and demands a status of the answer. */
  async function ask<Body = { code: string }>(status: number, request: Request, told: Told = {}) {
    await screen.command('$ ', `curl -i ${options(request)}`)
    const answer = await send<Body>(request)
    const headers = (told.headers ?? []).flatMap((name) => {
      const value = answer.headers.get(name)
      return value === null ? [] : `\n${name}: ${value}`
    })
    const head = `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status]}${headers.join('')}`
    const style = answer.status < 400 ? 'green' : 'yellow'
    await screen.answer(style, head, answer.text && tellJson(answer.body, told.members))
    screen.demand('the status', answer.status, status)
    return answer
  }
  return { keep, send, ask }
}

/** What curl is called with for a request. */
export function options({ path, method, as, body }: Request): string {
  const given = [
    method && !(method === 'POST' && body) && `-X ${method}`,
    `$API${path}`,
    as && `-H "authorization: Bearer $${as}"`,
    body && `--json '${JSON.stringify(body)}'`,
  ]
  return given.filter(Boolean).join(' ')
}
