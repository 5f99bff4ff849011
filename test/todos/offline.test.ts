import t from 'tap'
import { setUp, signUp, type TestUser } from '../support/app.ts'
import { OfflineClient, type State, type Todo, type Write } from '../support/offline-client.ts'
import { until } from '../support/until.ts'

const { app } = await setUp(t)

/** A device of a user: what it stores, whether it is online, and whether it loses the next answer. */
function device({ ask }: TestUser, resolve: (write: Write, current: Todo | null) => Partial<Todo> | null) {
  const own = {
    online: true,
    losing: 0,
    saved: undefined as State | undefined,
    client: undefined as never as OfflineClient,
  }
  const open = () =>
    new OfflineClient(
      {
        resolve,
        save: (state) => {
          own.saved = structuredClone(state)
        },
        async send(method, path, body, headers) {
          if (!own.online) throw new Error('offline')
          const answer = await ask(method as 'GET', path, body, headers)
          if (own.losing-- > 0) throw new Error('the answer was lost')
          return { status: answer.statusCode, body: answer.body && answer.json() }
        },
      },
      own.saved,
    )
  own.client = open()
  /** Starts again from what is stored. */
  const restart = () => {
    own.client = open()
  }
  return Object.assign(own, { restart })
}
const titles = ({ client }: { client: OfflineClient }) =>
  [...client.todos().values()].map(({ title }) => title).sort()

t.test('shows writes at once, and sends them once when it is online again', async (t) => {
  const user = await signUp(app)
  const phone = device(user, () => null)
  phone.online = false
  const id = phone.client.create({ title: 'milk' })
  phone.client.update(id, { title: 'oat milk' })
  const gone = phone.client.create({ title: 'gone' })
  phone.client.delete(gone)
  t.same(titles(phone), ['oat milk'])
  t.equal(await phone.client.sync(), false)
  phone.restart()
  t.same(titles(phone), ['oat milk'], 'after a restart, too')

  phone.online = true
  for (let lost = 0; lost < 4; lost++) {
    phone.losing = 1
    await phone.client.sync()
    phone.restart()
  }
  await until('it has synced', () => phone.client.sync())
  const { data } = (await user.ask('GET', '/todos')).json()
  t.match(data, [{ title: 'oat milk', version: 2 }])
  t.equal(data.length, 1)
  t.same([...phone.client.todos().values()], data)
  t.match((await user.ask('GET', '/trash')).json().data, [{ title: 'gone' }])
})

t.test('asks what to do about what another device changed or deleted', async (t) => {
  const user = await signUp(app)
  const asked: string[] = []
  const phone = device(user, ({ members }, current) => {
    asked.push(`${members.title} ${current?.title}`)
    return members.title === 'dropped'
      ? null
      : { ...members, title: `${members.title}, ${current?.title ?? 'restored'}` }
  })
  const laptop = device(user, () => null)
  for (const title of ['a', 'b', 'c', 'd']) laptop.client.create({ title })
  await until('all devices have them', async () => {
    await laptop.client.sync()
    await phone.client.sync()
    return phone.client.todos().size === 4
  })
  const [a, b, c, d] = [...phone.client.todos().values()]
    .sort((x, y) => (x.title < y.title ? -1 : 1))
    .map(({ id }) => id)
  phone.online = false
  phone.client.update(`${a}`, { title: 'mine' })
  phone.client.update(`${a}`, { completed: true })
  phone.client.update(`${b}`, { title: 'dropped' })
  phone.client.update(`${c}`, { title: 'kept' })
  phone.client.delete(`${d}`)
  laptop.client.update(`${a}`, { title: 'theirs' })
  laptop.client.update(`${b}`, { title: 'b2' })
  laptop.client.delete(`${c}`)
  laptop.client.delete(`${d}`)
  t.equal(await laptop.client.sync(), true)
  phone.online = true
  t.equal(await phone.client.sync(), true)
  t.same(asked, ['mine theirs', 'dropped b2', 'kept undefined'])
  const expected = ['b2', 'kept, restored', 'mine, theirs']
  await until('both devices agree', async () => {
    await Promise.all([phone.client.sync(), laptop.client.sync()])
    return [phone, laptop].every((each) => `${titles(each)}` === `${expected}`)
  })
  const { data } = (await user.ask('GET', '/todos')).json()
  t.match(
    data.find(({ id }: Todo) => id === a),
    { title: 'mine, theirs', completed: true, version: 4 },
  )
})

t.test('starts again when its token has expired, and keeps what waits to be sent', async (t) => {
  const user = await signUp(app)
  const phone = device(user, () => null)
  await user.ask('POST', '/todos', { title: 'a' })
  await until('it has the todo', async () => (await phone.client.sync()) && titles(phone).length === 1)
  phone.saved = { ...(phone.saved as State), token: 'another.token' }
  phone.restart()
  phone.client.create({ title: 'b' })
  t.equal(await phone.client.sync(), true)
  t.same(titles(phone), ['a', 'b'])
})
