interface Item {
  name: string
  item?: Item[]
  request: { method: string; url: { path: string[]; variable?: { key: string; value: string }[] } }
  event?: object[]
}
interface Step {
  operation: string
  status: number
  /** What the response is asked for, in JavaScript that Postman runs. */
  script?: string
}

/** The order in which a person would send the requests of the collection. */
const steps: Step[] = [
  { operation: 'POST register', status: 201 },
  { operation: 'POST login', status: 200, script: "pm.globals.set('bearerToken', body.access_token)" },
  { operation: 'POST todos', status: 201, script: "pm.globals.set('id', body.id)" },
  {
    operation: 'GET todos',
    status: 200,
    script: 'pm.expect(body.data[0].id).to.equal(pm.globals.get("id"))',
  },
  { operation: 'GET todos/:id', status: 200 },
  {
    operation: 'PATCH todos/:id',
    status: 200,
    script: 'pm.expect(body.completed).to.equal(true)',
  },
  { operation: 'POST todos/batch', status: 200 },
  { operation: 'GET tags', status: 200 },
  { operation: 'DELETE todos/:id', status: 204 },
  { operation: 'POST tokens', status: 201, script: "pm.globals.set('id', body.id)" },
  { operation: 'GET tokens', status: 200 },
  { operation: 'DELETE tokens/:id', status: 204 },
  { operation: 'GET me', status: 200 },
  { operation: 'PATCH me', status: 200 },
  { operation: 'GET me/sessions', status: 200 },
  { operation: 'GET me/events', status: 200 },
  { operation: 'GET me/export', status: 200 },
  { operation: 'GET problems', status: 200 },
  { operation: 'GET problems/:code', status: 200 },
  { operation: 'GET ', status: 200 },
  { operation: 'GET health', status: 200 },
  { operation: 'GET ready', status: 200 },
  { operation: 'POST logout', status: 204 },
]

const flatten = (items: Item[]): Item[] => items.flatMap((item) => (item.item ? flatten(item.item) : item))
const nameOf = ({ request: { method, url } }: Item) => `${method} ${url.path.join('/')}`

/** Arranges the requests of a Postman collection as steps that build on each other and check their status. */
export function arrange<Collection extends { item: Item[] }>(collection: Collection): Collection {
  const requests = new Map(flatten(collection.item).map((item) => [nameOf(item), item]))
  const item = steps.map(({ operation, status, script = '' }) => {
    const found = requests.get(operation)
    if (!found) throw new Error(`The collection has no ${operation}, but ${[...requests.keys()].join(', ')}`)
    for (const variable of found.request.url.variable ?? [])
      if (variable.key === 'id') variable.value = '{{id}}'
    const exec = [
      `const body = ${status === 204 ? 'undefined' : 'pm.response.json()'}`,
      `pm.test('${operation}', () => pm.response.to.have.status(${status}))`,
      script,
    ]
    return { ...found, event: [{ listen: 'test', script: { type: 'text/javascript', exec } }] }
  })
  return { ...collection, item }
}
