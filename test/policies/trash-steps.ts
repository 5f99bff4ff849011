import { deepEqual, equal } from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import type { Todo } from '../../src/todos/schema.ts'
import { at, type Call, type Person } from './person.ts'
import type { Draw } from './steps.ts'

// What the endpoints of the trash and of sync must answer. On a sharded database there is neither.

const call = (method: Call['method'], url: string): Call => ({ method, url })
const unavailable = async (me: Person, asked: Call) => {
  equal((await me.ask(501, asked)).json().code, 'not_implemented')
}

export const trashSteps: Record<string, (me: Person, draw: Draw) => Promise<void>> = {
  async 'GET /todos/changes'(me) {
    if (me.sharded) return unavailable(me, call('GET', '/todos/changes'))
    // What others write at the time can delay a change, and nothing else.
    for (let n = 0; n < 1000; n++) {
      const since = me.syncToken && `?since=${me.syncToken}`
      const { changes, next_token } = (await me.ask(200, call('GET', `/todos/changes${since}`))).json()
      for (const { op, id, todo } of changes) {
        deepEqual(todo, op === 'upsert' ? me.todos.get(id) : undefined)
        if (todo) me.copy.set(id, todo)
        else me.copy.delete(id)
      }
      me.syncToken = next_token
      if (isDeepStrictEqual(new Map([...me.copy].sort()), new Map([...me.todos].sort()))) return
    }
    throw new Error('a copy differs from the todos')
  },
  async 'GET /trash'(me) {
    const asked = call('GET', '/trash?limit=100')
    if (me.sharded) return unavailable(me, asked)
    const { data } = (await me.ask(200, asked)).json()
    const expected = [...me.trash.values()].reverse()
    deepEqual(
      data.map(({ deleted_at: _, expires_at: __, ...todo }: Todo & Record<string, unknown>) => todo),
      expected,
    )
  },
  async 'POST /trash/{id}/restore'(me, { whose, n, key }) {
    const restore = (id: string) => call('POST', `/trash/${id}/restore`)
    if (me.sharded) return unavailable(me, restore(me.id))
    const known = me.trash.get(me.own('trash', whose, n) ?? '')
    if (!known) return me.cannotFind('trash', n, restore)
    await me.write(200, restore(known.id), key, (answer) => {
      const todo: Todo = answer.json()
      deepEqual(todo, { ...known, version: known.version + 1, updated_at: todo.updated_at })
      me.trash.delete(todo.id)
      me.todos.set(todo.id, todo)
    })
  },
  async 'DELETE /trash/{id}'(me, { whose, n }) {
    const purge = (id: string) => call('DELETE', `/trash/${id}`)
    if (me.sharded) return unavailable(me, purge(me.id))
    const id = whose === 'own' ? at(me.trash.keys(), n) : undefined
    if (!id) return me.cannotFind('trash', n, purge)
    await me.ask(204, purge(id))
    me.trash.delete(id)
  },
  async 'DELETE /trash'(me) {
    const asked = call('DELETE', '/trash?all=true')
    if (me.sharded) return unavailable(me, asked)
    equal((await me.ask(200, asked)).json().deleted, me.trash.size)
    me.trash.clear()
  },
}
