import t from 'tap'
import { createMessageReader, readColumns, readRow } from '../../src/database/backend-messages.ts'
import { encodeBatch } from '../../src/database/frontend-messages.ts'
import { message } from '../support/fake-postgres.ts'

const int = (bytes: number, value: number) => {
  const buffer = Buffer.alloc(bytes)
  buffer.writeIntBE(value, 0, bytes)
  return buffer
}

t.test('finds the messages wherever the network cuts them', async (t) => {
  const sent = [message('Z', 'I'), message('D', 'x'.repeat(300)), message('n'), message('C', 'SELECT 1\0')]
  const bytes = Buffer.concat(sent)
  for (const size of [1, 2, 3, 5, 6, 7, 100, bytes.length]) {
    const received: Buffer[] = []
    const read = createMessageReader((_type, source, start, end) =>
      received.push(Buffer.from(source.subarray(start - 5, end))),
    )
    for (let at = 0; at < bytes.length; at += size) read(Buffer.from(bytes.subarray(at, at + size)))
    t.same(received, sent, `in parts of ${size}`)
  }
})

t.test('reads each type of column', async (t) => {
  const [bool, bytea, int8, int2, int4, text, texts, timestamp, uuid] = [
    16, 17, 20, 21, 23, 25, 1009, 1184, 2950,
  ]
  const values: [number | undefined, string | null, unknown][] = [
    [bool, 't', true],
    [bool, 'f', false],
    [bytea, '\\x00ff', Buffer.from([0, 255])],
    [int8, '9007199254740993', '9007199254740993'],
    [int2, '-3', -3],
    [int4, '2147483647', 2147483647],
    [int4, '0', 0],
    [text, 'é🌱', 'é🌱'],
    [text, '', ''],
    [text, null, null],
    [texts, '{}', []],
    [texts, '{a,"b,\\"c"}', ['a', 'b,"c']],
    [timestamp, '2026-12-24 17:00:00.123456+00', '2026-12-24T17:00:00.123456Z'],
    [timestamp, 'infinity', 'infinity'],
    [uuid, '01a20986-2898-7299-9c1d-1c51cff2f991', '01a20986-2898-7299-9c1d-1c51cff2f991'],
  ]
  const description = Buffer.concat([
    int(2, values.length),
    ...values.map(([type = 0], n) =>
      Buffer.concat([Buffer.from(`c${n}\0`), int(6, 0), int(4, type), int(6, 0), int(2, 0)]),
    ),
  ])
  // What comes before and after belongs to other messages.
  const columns = readColumns(Buffer.concat([int(3, 7), description, int(3, 7)]), 3)
  const row = Buffer.concat([
    int(2, values.length),
    ...values.flatMap(([, value]) =>
      value === null ? [int(4, -1)] : [int(4, Buffer.byteLength(value)), Buffer.from(value)],
    ),
  ])
  const expected = Object.fromEntries(values.map(([, , value], n) => [`c${n}`, value]))
  t.strictSame(readRow(columns, Buffer.concat([int(1, 7), row, int(1, 7)]), 1), expected)
  t.throws(() => readRow(columns.slice(1), row, 0), RangeError)
})

t.test('writes messages of exactly the length that they need', async (t) => {
  const name = 'a'.repeat(43)
  const statement = { name, text: 'select $1, $2', values: ['é🌱', null, Buffer.from([0, 1]), '', '\ud800'] }
  for (const batch of [
    [],
    [{ ...statement, text: undefined }],
    [statement, { name: '', text: 'commit', values: [] }],
  ]) {
    const types: string[] = []
    let length = 0
    const bytes = encodeBatch(batch)
    const read = createMessageReader((type, _bytes, start, end) => {
      types.push(String.fromCharCode(type))
      length += end - start + 5
    })
    read(bytes)
    t.equal(length, bytes.length)
    const parsed = (text?: string) => (text === undefined ? ['B', 'E'] : ['C', 'P', 'B', 'D', 'E'])
    t.same(types, [...batch.flatMap(({ text }) => parsed(text)), 'S'])
  }
})
