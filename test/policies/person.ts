import { deepEqual, equal, ok } from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import type { Todo } from '../../src/todos/schema.ts'
import { type Ask, askWith, logIn, signUp } from '../support/app.ts'

/** Whose thing a request names: one's own, the other user's, or one that nobody has. */
export type Whose = 'own' | 'other' | 'none'
export type Method = Parameters<Ask>[0]
export interface Call {
  method: Method
  url: string
  body?: unknown
  headers?: Record<string, string>
}

/** What a user has, and names by an id. */
const kinds = ['todos', 'trash', 'tokens', 'sessions'] as const
export type Kind = (typeof kinds)[number]
/** One of these, or the path of a resource that the tests know by its schema alone. */
type Things = Kind | `/${string}`

export const at = <T>(items: Iterable<T>, n: number): T | undefined => {
  const list = [...items]
  return list[n % list.length]
}

/**
 * A user, and all that the API should know of that user. Each answer must be what this model alone says, so
 * that none can depend on what the other user has or does.
 */
export class Person {
  readonly todos = new Map<string, Todo>()
  /** Deleted todos, the last deleted one last. Empty on a sharded database, which keeps none. */
  readonly trash = new Map<string, Todo>()
  readonly tokens = new Map<string, string>()
  /** By the id of a token that a personal token made, the id of its maker. */
  readonly makers = new Map<string, string>()
  readonly sessions = new Map<string, { token: string; refreshToken: string }>()
  /** By Idempotency-Key, what was sent and what was answered. */
  readonly keys = new Map<string, { sent: Call; answer: LightMyRequestResponse }>()
  /** What a client has learned from /todos/changes, and its token. */
  readonly copy = new Map<string, Todo>()
  syncToken = ''
  /** Of the list in its default order, two a page. */
  cursor = ''
  events: string[] = []
  id = ''
  email = ''
  current = ''
  other!: Person
  private readonly app: FastifyInstance
  readonly sharded: boolean
  private readonly resources = new Map<string, Map<string, unknown>>()
  constructor(app: FastifyInstance, sharded = false) {
    this.app = app
    this.sharded = sharded
  }

  /** Moves todos to the trash: all at once, so the greatest id is listed first. */
  discard(ids: string[]): void {
    for (const id of [...ids].sort()) {
      const todo = this.todos.get(id)
      if (this.todos.delete(id) && todo && !this.sharded) this.trash.set(id, todo)
    }
  }

  /** Things by their id, of a resource that is known by its path alone. */
  others(path: string): Map<string, unknown> {
    const known = this.resources.get(path) ?? new Map<string, unknown>()
    this.resources.set(path, known)
    return known
  }
  private idsOf(things: Things): string[] {
    return [...(things.startsWith('/') ? this.others(things) : this[things as Kind]).keys()]
  }

  /** Registers a fresh user. */
  async settle(): Promise<this> {
    for (const known of [...kinds, 'makers', 'keys', 'copy', 'resources'] as const) this[known].clear()
    const { id, email, token, refreshToken } = await signUp(this.app)
    Object.assign(this, { id, email, events: [], cursor: '', syncToken: '' })
    this.enter(token, refreshToken)
    return this
  }
  async logIn(): Promise<void> {
    const { token, refreshToken } = await logIn(this.app, this.email)
    this.enter(token, refreshToken)
  }
  /** Begins to use a session. */
  private enter(token: string, refreshToken: string): void {
    this.current = JSON.parse(Buffer.from(`${token.split('.')[1]}`, 'base64url').toString()).sid
    this.sessions.set(this.current, { token, refreshToken })
    this.events.unshift('login')
  }
  /** Forgets sessions that have ended; logs in anew when that in use is among them. */
  async leave(ended: Iterable<string>): Promise<void> {
    const { token } = this.sessions.get(this.current) ?? { token: '' }
    for (const id of [...ended]) this.sessions.delete(id)
    if (this.sessions.has(this.current)) return
    equal((await askWith(this.app, token)('GET', '/me')).statusCode, 401)
    await this.logIn()
  }

  /** Forgets a token, and all that it made. */
  forgetToken(id: string): void {
    this.tokens.delete(id)
    for (const [made, maker] of this.makers)
      if (maker === id && this.makers.delete(made)) this.forgetToken(made)
  }

  /** Asks, with the session in use unless told otherwise, and expects a status, and nothing of the other user in the answer. */
  async ask(
    status: number,
    { method, url, body, headers }: Call,
    token = `${this.sessions.get(this.current)?.token}`,
  ): Promise<LightMyRequestResponse> {
    // Before: what the other user has by the time of the answer may have been made up meanwhile.
    const secrets = this.other.names()
    const answer = await askWith(this.app, token)(method, url, body, headers)
    equal(answer.statusCode, status, `${method} ${url} ${JSON.stringify(body)}: ${answer.body}`)
    const told = answer.body + JSON.stringify(answer.headers)
    for (const secret of secrets)
      ok(!told.includes(secret) || url.includes(secret), `${method} ${url} tells ${secret}`)
    return answer
  }
  private names(): string[] {
    return [
      this.id,
      this.email,
      ...[...kinds, ...(this.resources.keys() as Iterable<`/${string}`>)].flatMap((things) =>
        this.idsOf(things),
      ),
    ]
  }

  /** The id of one of one's own things; or nothing when there is none, or it is to be somebody else's. */
  own(things: Things, whose: Whose, n: number): string | undefined {
    return whose === 'own' ? at(this.idsOf(things), n) : undefined
  }
  /** Asks for a thing of the other user's, and for one that nobody has: the answers must not differ. */
  async cannotFind(things: Things, n: number, call: (id: string) => Call): Promise<void> {
    const answers = []
    for (const id of [at(this.other.idsOf(things), n) ?? randomUUID(), randomUUID()]) {
      const { statusCode, headers, body } = await this.ask(404, call(id))
      const { 'x-request-id': request, date: _, ...rest } = headers
      answers.push({
        statusCode,
        headers: rest,
        body: body.replaceAll(`${request}`, 'REQUEST').replaceAll(id, 'ID'),
      })
    }
    deepEqual(answers[0], answers[1])
  }

  /**
   * Sends a write, with a key or without one, and learns what it did if it did it.
   * @param status of a write that is not a replay
   */
  async write(
    status: number,
    call: Call,
    key: string | undefined,
    learn: (answer: LightMyRequestResponse) => void,
  ) {
    const sent = { ...call, headers: { ...call.headers, ...(key && { 'idempotency-key': key }) } }
    const kept = key && this.keys.get(key)
    if (!kept) {
      const answer = await this.ask(status, sent)
      if (status >= 300) return
      learn(answer)
      if (key) this.keys.set(key, { sent, answer })
    } else if (JSON.stringify(kept.sent) === JSON.stringify(sent)) {
      const answer = await this.ask(kept.answer.statusCode, sent)
      equal(answer.body, kept.answer.body)
      equal(answer.headers['idempotent-replayed'], 'true')
    } else equal((await this.ask(422, sent)).json().code, 'idempotency_key_reused')
  }
}
