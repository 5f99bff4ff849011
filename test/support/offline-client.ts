import { randomUUID } from 'node:crypto'

// A client that works offline: it keeps a copy of the todos, shows writes at once, sends them when it can, and then
// asks for what others changed. An example to start from: see docs/api.md.

export interface Todo {
  id: string
  version: number
  title: string
  [member: string]: unknown
}
type Members = Partial<Todo>
// biome-ignore lint/suspicious/noExplicitAny: the OpenAPI document describes it
type Reply = { status: number; body: any }
/** A write that waits to be sent. Its key makes a retry safe when the response was lost. */
export interface Write {
  key: string
  kind: 'create' | 'update' | 'delete'
  /** Of a todo that was created offline, a made-up id until the server has given it another. */
  id: string
  /** The version that the user saw, for If-Match. */
  version: number
  members: Members
}
/** Everything that a device must keep, in one piece: a token belongs to the todos that were stored with it. */
export interface State {
  todos: Record<string, Todo>
  token: string | null
  queue: Write[]
}
export interface Options {
  /** Sends a request with the access token; rejects when there is no connection. */
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Reply>
  /** Stores the state durably. */
  save(state: State): void
  /** What becomes of a write when somebody else changed the todo, or deleted it: the members to send, or null for none. */
  resolve(write: Write, current: Todo | null): Members | null
}

export class OfflineClient {
  private state: State
  private readonly options: Options
  constructor(options: Options, state: State = { todos: {}, token: null, queue: [] }) {
    this.options = options
    this.state = state
  }

  /** The todos as the user should see them: those of the server with the waiting writes applied. */
  todos(): Map<string, Todo> {
    const todos = new Map(Object.entries(this.state.todos))
    for (const { kind, id, version, members } of this.state.queue) {
      const known = todos.get(id)
      if (kind === 'create') todos.set(id, { title: '', ...members, id, version })
      else if (kind === 'delete') todos.delete(id)
      else if (known) todos.set(id, { ...known, ...members })
    }
    return todos
  }

  create = (members: Members): string => this.enqueue('create', randomUUID(), members)
  update = (id: string, members: Members): string => this.enqueue('update', id, members)
  delete = (id: string): string => this.enqueue('delete', id, {})
  private enqueue(kind: Write['kind'], id: string, members: Members): string {
    const version = this.state.todos[id]?.version ?? 0
    this.store({ queue: [...this.state.queue, { key: randomUUID(), kind, id, version, members }] })
    return id
  }
  private store(change: Partial<State>): void {
    this.state = { ...this.state, ...change }
    this.options.save(this.state)
  }

  /** Sends what waits, then reads what changed. @returns false when it has to be tried again later */
  async sync(): Promise<boolean> {
    try {
      for (let write = this.state.queue[0]; write; write = this.state.queue[0])
        if (!(await this.sendWrite(write))) return false
      let more: boolean | null = true
      while (more) more = await this.readChanges()
      return more === false
    } catch {
      return false
    }
  }

  /** @returns whether the write has left the queue, or was replaced */
  private async sendWrite(write: Write): Promise<boolean> {
    const { key, kind, id, version, members } = write
    const headers = { 'idempotency-key': key, ...(kind !== 'create' && { 'if-match': `"${version}"` }) }
    const [method, path] = {
      create: ['POST', ''],
      update: ['PATCH', `/${id}`],
      delete: ['DELETE', `/${id}`],
    }[kind]
    const sent = kind === 'delete' ? undefined : members
    const { status, body } = await this.options.send(`${method}`, `/todos${path}`, sent, headers)
    if (status === 200 || status === 201) this.finish(write, body, true)
    // A todo that is gone is what a deletion wants, also when its response was lost.
    else if (status === 204 || (status === 404 && kind === 'delete')) this.finish(write, null)
    else if (status === 412 || status === 404) return this.resolveConflict(write)
    else if (status === 400 || status === 413 || status === 422)
      this.finish(write, this.state.todos[id] ?? null)
    else return false
    return true
  }

  /** Takes a write off the queue. If it was made, later ones of the same todo start from its result. */
  private finish({ key, id }: Write, todo: Todo | null, isMade = false): void {
    const { [id]: _, ...todos } = this.state.todos
    if (todo) todos[todo.id] = todo
    const queue = this.state.queue
      .filter((write) => write.key !== key)
      .map((write) =>
        write.id === id && todo && isMade ? { ...write, id: todo.id, version: todo.version } : write,
      )
    this.store({ todos, queue })
  }

  private async resolveConflict(write: Write): Promise<boolean> {
    const { status, body } = await this.options.send('GET', `/todos/${write.id}`)
    if (![200, 404].includes(status)) return false
    const current: Todo | null = status === 200 ? body : null
    const members = this.options.resolve(write, current)
    if (members === null) return this.finish(write, current) ?? true
    // What is gone is created again.
    const kind = current ? write.kind : 'create'
    const replaced = { ...write, key: randomUUID(), kind, version: current?.version ?? 0, members }
    this.store({ queue: this.state.queue.map((other) => (other === write ? replaced : other)) })
    return true
  }

  /** @returns whether there is more; null when it has to be tried again later */
  private async readChanges(): Promise<boolean | null> {
    const { token } = this.state
    const { status, body } = await this.options.send('GET', `/todos/changes${token ? `?since=${token}` : ''}`)
    // The token has expired: begin again. The queue stays.
    if (status === 410 || status === 400) return this.store({ token: null, todos: {} }) ?? true
    if (status !== 200) return null
    const todos = { ...this.state.todos }
    for (const { op, id, todo } of body.changes) {
      if (op === 'upsert') todos[id] = todo
      else delete todos[id]
    }
    this.store({ todos, token: body.next_token })
    return body.has_more
  }
}
