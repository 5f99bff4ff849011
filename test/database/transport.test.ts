import t from 'tap'
import { findTransportFault } from '../../src/database/transport.ts'

t.test('warns about a connection to another host without verified TLS', async (t) => {
  const bare = 'postgres://todo_login:s3cret@db.example/todo'
  for (const url of [bare, `${bare}?sslmode=disable`, 'postgres://u:s3cret@192.0.2.1/x'])
    t.match(
      findTransportFault(url),
      /^The connection to the database server \S+ is not encrypted: add sslmode=/,
    )
  t.match(findTransportFault(`${bare}?sslmode=no-verify`), /does not verify the certificate of the server: /)
  t.notMatch(findTransportFault(bare), 's3cret')
  const safe = ['localhost', '127.0.0.1', '[::1]', '%2Frun%2Fpostgresql'].map(
    (host) => `postgres://u@${host}/x`,
  )
  for (const url of [...safe, 'postgres:///x?host=/run/postgresql', `${bare}?sslmode=verify-full`])
    t.equal(findTransportFault(url), undefined, url)
})
