import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import t from 'tap'
import { setUp } from '../support/app.ts'

// Sends what docs/requests.http has, as an editor does it, and holds the statuses against its titles.

const [preface = '', ...sections] = readFileSync('docs/requests.http', 'utf8').split(/^### /m)
const variables = new Map([...preface.matchAll(/^@(\w+) = (.*)$/gm)].map(([, name, value]) => [name, value]))
const answers = new Map<string, LightMyRequestResponse>()

/** The value of what stands between double braces. */
function resolve(_: string, expression: string): string {
  if (expression === '$guid') return randomUUID()
  if (expression === 'api') return ''
  const [, name = '', header, member = ''] =
    /^(\w+)\.response\.(?:headers\.([\w-]+)|body\.\$\.(\w+))$/.exec(expression) ?? []
  const answer = answers.get(name)
  const value = header
    ? answer?.headers[header.toLowerCase()]
    : (answer?.json()[member] ?? variables.get(expression))
  if (value === undefined) throw new Error(`Nothing is known of ${expression}`)
  return `${value}`
}

t.test('the requests of docs/requests.http are answered as their titles say', async (t) => {
  const { app } = await setUp(t)
  for (const section of sections) {
    const [title = '', ...lines] = section.split('\n')
    const name = lines[0]?.startsWith('# @name ') ? lines.shift()?.slice('# @name '.length) : undefined
    const [head = '', ...body] = lines
      .join('\n')
      .replaceAll(/\{\{(.*?)\}\}/g, resolve)
      .split('\n\n')
    const [request = '', ...headers] = head.trim().split('\n')
    const [method, url = ''] = request.split(' ')
    const answer = await app.inject({
      method: method as NonNullable<InjectOptions['method']>,
      url,
      headers: Object.fromEntries(headers.map((line) => line.split(': '))),
      ...(body.join('').trim() && { payload: body.join('') }),
    })
    if (name) answers.set(name, answer)
    t.equal(answer.statusCode, Number(/: (\d{3})/.exec(title)?.[1]), title, { answer: answer.body })
  }
  t.equal(answers.size, 2)
})
