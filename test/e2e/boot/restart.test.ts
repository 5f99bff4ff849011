import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { packageInfo } from '../../../src/config.ts'
import { password } from '../../support/app.ts'
import { readBlocks } from '../../support/markdown.ts'
import { post, start, stop } from '../../support/service-process.ts'

t.test('keeps data and tokens across restarts, and in a backup, of the embedded database', async (t) => {
  const first = start(t, {})
  const api = await first.ready()
  t.match(api, /^http:\/\/127\.0\.0\.1:\d+$/, 'listens on loopback')
  t.match(first.said.out, `The TODO API ${packageInfo.version} is ready.\n`)
  t.match(first.said.out, /Explorer .*\/docs\n/)
  t.match(first.said.out, 'Database PGSERVICEFILE=.data/pg_service.conf psql service=todo')
  t.equal((await fetch(`${api}/ready`)).status, 200)
  await post(`${api}/register`, { email: 'ada@example.com', password })
  const login = await post(`${api}/login`, { email: 'ada@example.com', password })
  const { access_token, refresh_token } = (await login.json()) as Record<string, string>
  const headers = { authorization: `Bearer ${access_token}`, 'content-type': 'application/json' }
  const create = { method: 'POST', headers, body: JSON.stringify({ title: 'kept' }) }
  const made = await fetch(`${api}/todos`, create)
  t.equal(made.status, 201)
  const todo = `${api}${made.headers.get('location')}`
  const etag = `${made.headers.get('etag')}`
  const conditional = { ...headers, 'if-none-match': etag }
  t.equal((await fetch(todo, { headers: conditional })).status, 304)
  const change = { method: 'PATCH', headers: { ...headers, 'if-match': etag }, body: '{"priority":1}' }
  t.equal((await fetch(todo, change)).status, 200)
  t.equal((await fetch(todo, change)).status, 412)
  t.equal((await fetch(`${api}/docs/json`)).status, 200)
  t.equal((await fetch(`${api}/me/sessions`, { headers })).status, 200)
  await fetch(`${api}/todos`, create)
  const page = await fetch(`${api}/todos?sort=title&limit=1&count=exact`, { headers })
  const { next_cursor } = (await page.json()) as { next_cursor: string }
  const next = `${api}/todos?sort=title&limit=1&cursor=${next_cursor}`
  t.equal((await fetch(next, { headers })).status, 200)
  t.equal((await fetch(`${next}&offset=0`, { headers })).status, 400)

  const second = start(t, {}, first.cwd)
  t.equal(await second.ended, 1)
  t.equal(
    second.said.err.trim(),
    `The data folder ${join(first.cwd, '.data')} is in use by process ${first.server.pid}: stop that process, or set DATA_DIR to another folder.`,
  )

  t.equal(await stop(first.server, first.ended, 'SIGINT'), 0, first.said.err)
  t.notOk(existsSync(join(first.cwd, '.data/holder.pid')))

  // From here on, from the backup that docs/operations.md makes.
  const restored = join(first.cwd, 'restored')
  mkdirSync(restored)
  const [save = '', restore = ''] = readBlocks('docs/operations.md')
    .filter(({ text }) => text.startsWith('tar '))
    .map(({ text }) => text)
  execFileSync('sh', ['-ec', save], { cwd: first.cwd })
  execFileSync('sh', ['-ec', restore.replace('todo-data', '../todo-data')], { cwd: restored })
  const third = start(t, {}, restored)
  const again = await third.ready()
  t.equal((await fetch(`${again}/me`, { headers })).status, 200, 'the old token is good')

  third.server.kill('SIGKILL')
  await third.ended
  const fourth = start(t, {}, restored)
  const afterCrash = await fourth.ready()
  const list = await fetch(`${afterCrash}/todos`, { headers })
  t.match(await list.json(), { data: [{ title: 'kept' }] }, 'after a crash, too')
  t.equal((await post(`${afterCrash}/refresh`, { refresh_token })).status, 200, 'and so is the refresh token')
  t.equal(await stop(fourth.server, fourth.ended, 'SIGTERM'), 0)
  const files = ['secrets.json', 'env', 'pg_service.conf']
  const secrets = JSON.parse(readFileSync(join(first.cwd, '.data/secrets.json'), 'utf8'))
  for (const secret of [secrets.jwt, secrets.login])
    t.notMatch(
      [first, third, fourth].map(({ said }) => said.out + said.err).join(),
      secret,
      'no secret is printed',
    )
  for (const file of files) t.ok(existsSync(join(first.cwd, '.data', file)))
})
