import { randomUUID } from 'node:crypto'
import type { Tokens, User } from '../../../src/auth/schema.ts'
import type { Todo } from '../../../src/todos/schema.ts'
import { type Curl, options } from './curl.ts'
import { tellJson } from './json.ts'
import type { Screen } from './screen.ts'

interface Person extends User {
  token: string
}
type People = Record<'ada' | 'bob', Person>

const password = 'correct horse battery'
const user = { members: ['id', 'email'] }
const todo = { members: ['id', 'title'] }
const problem = { members: ['title', 'code'] }

const decode = (part = '') => JSON.parse(Buffer.from(part, 'base64url').toString())
const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')

/** What two users see of the API at an address, and what one of them tries. */
export async function tellStory(screen: Screen, curl: Curl, url: string): Promise<People> {
  await screen.title('Ada and Bob register')
  await curl.keep('API', url)
  const users = { ada: await register(curl, 'ada@example.com'), bob: await register(curl, 'bob@example.com') }
  await screen.title('They log in, and each gets a token')
  const ada = await logIn(curl, 'ADA', users.ada)
  await readToken(screen, ada)
  const people = { ada, bob: await logIn(curl, 'BOB', users.bob) }
  const todo = await makeTodos(screen, curl)
  await listTodos(screen, curl)
  await takeId(screen, curl, todo)
  await forgeTokens(screen, curl, people)
  await guessPassword(screen, curl)
  await logOut(screen, curl, ada)
  return people
}

async function register({ ask }: Curl, email: string): Promise<User> {
  return (await ask<User>(201, { path: '/register', body: { email, password } }, user)).body
}

async function logIn({ ask, keep }: Curl, name: string, user: User): Promise<Person> {
  const told = { members: ['access_token', 'expires_in'] }
  const { body } = await ask<Tokens>(200, { path: '/login', body: { email: user.email, password } }, told)
  await keep(name, body.access_token)
  return { ...user, token: body.access_token }
}

async function readToken({ note, answer, check }: Screen, { id, token }: Person): Promise<void> {
  const [header, claims] = token.split('.').slice(0, 2).map(decode)
  await note('# Hers, decoded, without its signature:')
  await answer('reset', tellJson(header), tellJson(claims))
  const facts = [header.alg, claims.sub, claims.exp - claims.iat]
  await check('It names Ada, and expires after fifteen minutes', facts, ['HS256', id, 900])
}

async function makeTodos({ title }: Screen, { ask }: Curl): Promise<Todo> {
  await title('They create todos, and each sees only their own')
  const make = (as: string, title: string) => ask<Todo>(201, { path: '/todos', as, body: { title } }, todo)
  const { body } = await make('ADA', 'Water the plants')
  await make('ADA', 'Feed the cat')
  await make('BOB', 'Buy a present for Ada')
  return body
}

async function listTodos({ check }: Screen, { ask }: Curl): Promise<void> {
  const list = async (as: string) => {
    const told = { members: ['data', 'title'] }
    const { body } = await ask<{ data: Todo[] }>(200, { path: '/todos', as }, told)
    return body.data.map(({ title }) => title)
  }
  const lists = [await list('ADA'), await list('BOB')]
  const expected = [['Feed the cat', 'Water the plants'], ['Buy a present for Ada']]
  await check('Ada has two, the newest first; Bob has one', lists, expected)
}

async function takeId({ title, check }: Screen, { ask, keep }: Curl, made: Todo): Promise<void> {
  await title('Bob takes the id of Ada’s todo')
  const look = async (name: string, id: string) => {
    await keep(name, id)
    const told = { members: [...problem.members, 'instance', 'request_id'] }
    const { text, headers } = await ask(404, { path: `/todos/$${name}`, as: 'BOB' }, told)
    return text.replace(id, 'ID').replace(`${headers.get('x-request-id')}`, 'REQUEST')
  }
  const hers = await look('HERS', made.id)
  const nobodys = await look('NOBODYS', randomUUID())
  await check(
    'Her todo and one that does not exist: the same response, byte for byte, except for the ids',
    hers,
    nobodys,
  )
  const path = '/todos/$HERS'
  await ask(404, { path, as: 'BOB', method: 'PATCH', body: { title: 'Mine' } }, problem)
  await ask(404, { path, as: 'BOB', method: 'DELETE' }, problem)
  const { body } = await ask<Todo>(200, { path, as: 'ADA' }, todo)
  await check('Ada still has it, unchanged', body, made)
}

async function forgeTokens({ title, note, demand }: Screen, { ask, keep }: Curl, { ada, bob }: People) {
  await title('Bob forges tokens')
  const [header, hers] = ada.token.split('.')
  const [, his, signature] = bob.token.split('.')
  const forgeries = {
    'His own, with her id in it': [header, encode({ ...decode(his), sub: ada.id }), signature],
    'Hers, with his signature': [header, hers, signature],
    'Hers, as one that needs no signature': [encode({ ...decode(header), alg: 'none' }), hers, ''],
  }
  for (const [text, parts] of Object.entries(forgeries)) {
    await note(`# ${text}:`)
    await keep('FORGED', parts.join('.'))
    const { body } = await ask(401, { path: '/todos', as: 'FORGED' }, problem)
    demand('the code', body.code, 'invalid_token')
  }
}

async function guessPassword({ title, command, answer, demand, check }: Screen, { ask, send }: Curl) {
  await title('Somebody guesses Carol’s password, six times in a row')
  const login = { path: '/login', body: { email: 'carol@example.com', password: 'letmein' } }
  await command(
    '$ ',
    `for n in 1 2 3 4 5; do\n  curl -so /dev/null -w '%{http_code} ' ${options(login)}\ndone`,
  )
  const statuses: number[] = []
  for (let n = 1; n <= 5; n++) statuses.push((await send(login)).status)
  await answer('yellow', statuses.join(' '))
  demand('the statuses', statuses, Array(5).fill(401))
  const { headers } = await ask(429, login, { ...problem, headers: ['Retry-After', 'RateLimit'] })
  const seconds = Number(headers.get('retry-after'))
  await check('The sixth is rejected, with the number of seconds to wait', seconds > 0 && seconds <= 60)
}

async function logOut(
  { title, note, demand, check }: Screen,
  { ask }: Curl,
  { token }: Person,
): Promise<void> {
  await title('Ada logs out, and her token is revoked immediately')
  await note('# A stolen copy of the token would work until she logs out.')
  await ask(200, { path: '/me', as: 'ADA' }, user)
  await ask(204, { path: '/logout', as: 'ADA', method: 'POST' })
  const { body } = await ask(401, { path: '/me', as: 'ADA' }, problem)
  demand('the code', body.code, 'revoked_token')
  const { exp } = decode(token.split('.')[1])
  const minutes = Math.floor((exp - Date.now() / 1000) / 60)
  await check(`The token would expire in ${minutes} minutes, but its session has ended`, minutes > 0)
}
