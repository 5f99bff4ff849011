import { randomUUID } from 'node:crypto'
import { password } from './service.ts'

const TODOS = 10

interface Asked {
  body?: object
  headers?: Record<string, string>
}

/** An answer that is not the one that was expected. */
class Strange extends Error {}

/** Everything that a user does, from the registration to the deletion of the account; so that no data stays. */
export async function live(url: string, onAnswer: () => void): Promise<void> {
  let token = ''
  const send = (method: string, path: string, { body, headers }: Asked = {}, signal?: AbortSignal) =>
    fetch(url + path, {
      method,
      headers: {
        ...(token && { authorization: `Bearer ${token}` }),
        ...(body && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body && { body: JSON.stringify(body) }),
      ...(signal && { signal }),
    })
  const ask = async (status: number, method: string, path: string, asked?: Asked) => {
    const answer = await send(method, path, asked)
    const text = await answer.text()
    onAnswer()
    if (answer.status !== status)
      throw new Strange(`${method} ${path}: ${answer.status} ${text.slice(0, 300)}`)
    return text && JSON.parse(text)
  }
  /** Goes away somewhere between the first byte and the answer. */
  const hangUp = async (method: string, path: string, asked?: Asked) => {
    const client = new AbortController()
    const answer = send(method, path, asked, client.signal).then((answer) => answer.text())
    setTimeout(() => client.abort(), Math.random() * 8)
    await answer.catch(() => {})
    onAnswer()
  }

  const login = { email: `${randomUUID()}@example.com`, password }
  await ask(201, 'POST', '/register', { body: login })
  await ask(401, 'POST', '/login', { body: { ...login, password: 'something else' } })
  const session = await ask(200, 'POST', '/login', { body: login })
  token = session.access_token
  for (let n = 0; n < TODOS; n++) {
    const body = { title: `todo ${n} of the soak`, tags: ['soak'], notes: 'word '.repeat(n * 20) }
    const { id } = await ask(201, 'POST', '/todos', { body })
    const headers = { 'idempotency-key': randomUUID() }
    await ask(201, 'POST', '/todos', { body, headers })
    await ask(201, 'POST', '/todos', { body, headers })
    await ask(200, 'GET', `/todos/${id}`)
    await ask(200, 'PATCH', `/todos/${id}`, { body: { completed: true } })
    await ask(412, 'PATCH', `/todos/${id}`, { body: { title: 'x' }, headers: { 'if-match': '"0"' } })
    await hangUp('PATCH', `/todos/${id}`, { body: { priority: 3 } })
    await ask(200, 'GET', '/todos?count=exact&sort=-updated_at')
    await ask(200, 'GET', '/todos?q=soak')
    await hangUp('GET', '/todos?limit=100&q=word')
    await ask(400, 'POST', '/todos', { body: { title: '' } })
    await ask(404, 'GET', `/todos/${randomUUID()}`)
  }
  const operations = Array.from({ length: 50 }, (_, n) => ({ op: 'create', todo: { title: `batch ${n}` } }))
  await ask(200, 'POST', '/todos/batch', { body: { operations } })
  await hangUp('POST', '/todos/batch', { body: { operations } })
  token = (await ask(200, 'POST', '/refresh', { body: { refresh_token: session.refresh_token } }))
    .access_token
  await ask(200, 'GET', '/me/export')
  await hangUp('GET', '/me/export')
  const made = await ask(201, 'POST', '/tokens', { body: { name: 'soak', scopes: ['todos:read'] } })
  await ask(204, 'DELETE', `/tokens/${made.id}`)
  await ask(200, 'DELETE', '/todos?completed=true')
  await ask(204, 'POST', '/logout', { body: {} })
  await ask(401, 'GET', '/todos')
  token = (await ask(200, 'POST', '/login', { body: login })).access_token
  await ask(204, 'DELETE', '/me')
}
