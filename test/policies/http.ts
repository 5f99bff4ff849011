import { deepEqual, equal, notEqual } from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import { type Ask, askWith, logIn, password, signUp, type TestUser } from '../support/app.ts'
import { createExample } from './resources.ts'

type Verb = 'GET' | 'PATCH' | 'DELETE' | 'POST'
const document = JSON.parse(readFileSync('openapi/openapi.json', 'utf8')) as {
  paths: Record<string, Record<string, unknown>>
}

export interface Person extends TestUser {
  todo: string
  trashed: string
  pat: { id: string; token: string }
  session: string
}
interface World {
  app: FastifyInstance
  /** Not on a sharded database. */
  hasTrash: boolean
  ada: Person
  bob: Person
}

async function settle(app: FastifyInstance, word: string): Promise<Person> {
  const user = await signUp(app)
  const todo = await user.ask('POST', '/todos', { title: `common ${word}` }, { 'idempotency-key': 'same' })
  const pat = await user.ask('POST', '/tokens', { name: word, scopes: ['todos:read'] })
  const sessions = await user.ask('GET', '/me/sessions')
  const trashed = (await user.ask('POST', '/todos', { title: `gone ${word}` })).json().id
  equal((await user.ask('DELETE', `/todos/${trashed}`)).statusCode, 204)
  return { ...user, todo: todo.json().id, trashed, pat: pat.json(), session: sessions.json().data[0].id }
}

/** Two users, each with a todo, a personal access token and a session. */
export async function openWorld(app: FastifyInstance): Promise<World> {
  const [ada, bob] = [await settle(app, 'hers'), await settle(app, 'his')]
  return { app, ada, bob, hasTrash: (await ada.ask('GET', '/trash')).statusCode !== 501 }
}

const idsOf = (answer: LightMyRequestResponse) => (answer.json().data as { id: string }[]).map(({ id }) => id)

/** What an answer tells: all but what names the request. */
const tell = ({ statusCode, headers, body }: LightMyRequestResponse, url: string) => {
  const { 'x-request-id': id, date: _date, ...rest } = headers
  return { statusCode, headers: rest, body: body.replaceAll(String(id), 'ID').replaceAll(url, 'URL') }
}

const bodies: Record<string, unknown> = { PATCH: { title: 'x' } }
/** Asks for a thing of another user, and for nothing at all: nothing may tell the two apart. */
async function cannotTell(ask: Ask, method: Verb, template: string, id: string): Promise<void> {
  const [theirs, none] = [template.replace('{id}', id), template.replace('{id}', randomUUID())]
  const answers = [await ask(method, theirs, bodies[method]), await ask(method, none, bodies[method])]
  equal(answers[0]?.statusCode, 404, `${method} ${template} of another user`)
  deepEqual(tell(answers[0] as never, theirs), tell(answers[1] as never, none))
}

/** What must hold over HTTP between two users, each in a world of its own kind; one that fails throws. */
export const isolationChecks: Record<string, (world: World) => Promise<void>> = {
  'lists, counts and exports only what is one’s own': async ({ ada, bob, hasTrash }) => {
    const [mine, sessions, tokens, events, exported] = await Promise.all(
      ['/todos?count=exact', '/me/sessions', '/tokens', '/me/events', '/me/export'].map((url) =>
        ada.ask('GET', url),
      ),
    )
    deepEqual(idsOf(mine as never), [ada.todo])
    equal(mine?.json().total, 1)
    if (hasTrash) {
      const { changes } = (await ada.ask('GET', '/todos/changes')).json()
      deepEqual(
        changes.map(({ id }: { id: string }) => id),
        [ada.todo],
      )
    }
    deepEqual(idsOf(sessions as never), [ada.session])
    deepEqual(idsOf(tokens as never), [ada.pat.id])
    equal(events?.json().data.length, 2, 'a login, and a token made')
    for (const secret of [bob.todo, bob.trashed, bob.id, bob.session, bob.pat.id, bob.email])
      equal(exported?.body.includes(secret), false)
    equal((await ada.ask('GET', '/me')).json().id, ada.id)
  },
  'finds only one’s own words': async ({ ada }) => {
    deepEqual(idsOf(await ada.ask('GET', '/todos?q=common')), [ada.todo])
    deepEqual(idsOf(await ada.ask('GET', '/todos?q=his')), [])
  },
  'answers 404 to another’s id, as to a random one, on every path and method of the document': async ({
    ada,
    bob,
    hasTrash,
  }) => {
    const ids: Record<string, string> = {
      '/todos/{id}': ada.todo,
      '/trash/{id}': ada.trashed,
      '/trash/{id}/restore': ada.trashed,
      '/tokens/{id}': ada.pat.id,
      '/me/sessions/{id}': ada.session,
    }
    for (const [path, operations] of Object.entries(document.paths).filter(
      ([path]) => path.includes('{id}') && (hasTrash || !path.startsWith('/trash')),
    )) {
      const id = ids[path] ?? (await createExample(ada.ask, path))
      for (const verb of Object.keys(operations))
        await cannotTell(bob.ask, verb.toUpperCase() as Verb, path, id)
    }
    equal((await ada.ask('GET', `/todos/${ada.todo}`)).statusCode, 200)
    if (hasTrash) deepEqual(idsOf(await ada.ask('GET', '/trash')), [ada.trashed])
    equal((await ada.ask('GET', '/tokens')).json().data.length, 1)
    equal((await ada.ask('GET', '/me/sessions')).json().data.length, 1)
  },
  'changes nothing of another’s in a batch or in bulk': async ({ ada, bob, hasTrash }) => {
    for (const operation of [
      { op: 'update', id: ada.todo, todo: { title: 'x' } },
      { op: 'delete', id: ada.todo },
    ])
      equal((await bob.ask('POST', '/todos/batch', { operations: [operation] })).statusCode, 404)
    await bob.ask('DELETE', '/todos?all=true')
    equal((await ada.ask('GET', `/todos/${ada.todo}`)).json().title, 'common hers')
    if (!hasTrash) return
    deepEqual(idsOf(await bob.ask('GET', '/trash')), [bob.todo, bob.trashed])
    await bob.ask('DELETE', '/trash?all=true')
    deepEqual(idsOf(await ada.ask('GET', '/trash')), [ada.trashed])
  },
  'replays a key to its own user alone': async ({ ada, bob }) => {
    const answer = await bob.ask('POST', '/todos', { title: 'common his' }, { 'idempotency-key': 'same' })
    equal(answer.headers['idempotent-replayed'], 'true')
    equal(answer.json().id, bob.todo)
    notEqual(answer.json().id, ada.todo)
  },
  'gives a token no more than its scopes': async ({ app, ada }) => {
    const script = askWith(app, ada.pat.token)
    equal((await script('GET', `/todos/${ada.todo}`)).statusCode, 200)
    equal((await script('POST', '/todos', { title: 'x' })).statusCode, 403)
    equal((await script('GET', '/me')).statusCode, 403)
  },
  'ends a session and a token at once, and no other': async ({ app, ada, bob }) => {
    const second = await logIn(app, ada.email)
    equal((await second.ask('POST', '/logout', {})).statusCode, 204)
    equal((await second.ask('GET', '/todos')).statusCode, 401)
    equal((await ada.ask('DELETE', `/tokens/${ada.pat.id}`)).statusCode, 204)
    equal((await askWith(app, ada.pat.token)('GET', '/todos')).statusCode, 401)
    equal((await ada.ask('GET', '/todos')).statusCode, 200)
    equal((await askWith(app, bob.pat.token)('GET', '/todos')).statusCode, 200)
  },
  'opens no session without the password': async ({ app, ada }) => {
    const payload = { email: ada.email, password: `${password}!` }
    equal((await app.inject({ method: 'POST', url: '/login', payload })).statusCode, 401)
  },
  'deletes an account, and nothing of another': async ({ ada, bob }) => {
    equal((await bob.ask('DELETE', '/me')).statusCode, 204)
    equal((await bob.ask('GET', '/me')).statusCode, 401)
    equal((await ada.ask('GET', '/todos?count=exact')).json().total, 1)
  },
}
